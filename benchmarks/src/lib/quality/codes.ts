import { decode, type EncodeOptions, encode } from "@cai/squinch";
import { int, mxfp6 } from "./number-formats.js";

/** A way to send gradients, by what it does to them. */
export interface Code {
  readonly name: string;
  /** With scales, for long vectors. */
  readonly bitsPerValue: number;
  /** What arrives when x is sent; new memory. */
  roundTrip(x: Float32Array): Float32Array;
}

function squinch(name: string, options: EncodeOptions): Code {
  const { codebook = "sqrt" } = options;
  return {
    name: `squinch ${name}`,
    bitsPerValue: 6,
    roundTrip: (x) => decode(encode(x, options), x.length, { codebook }),
  };
}

/** Nearest bfloat16, ties to even. */
function toBf16(x: Float32Array): Float32Array {
  const out = x.slice();
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  }
  return out;
}

/** Squinch first, then its peers by their bits. */
export const codes: readonly Code[] = [
  squinch("sqrt", {}),
  squinch("adam", { codebook: "adam" }),
  squinch("lloyd", { codebook: "lloyd" }),
  squinch("sqrt stochastic", { rounding: "stochastic", seed: 1 }),
  int(4),
  int(5),
  mxfp6("E2M3"),
  mxfp6("E3M2"),
  int(6),
  int(8),
  { name: "bf16", bitsPerValue: 16, roundTrip: toBf16 },
];
