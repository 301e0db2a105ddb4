import type { CodebookName } from "../codebook.js";
import { decode } from "../decode.js";
import { encodeInto } from "../encode.js";
import { blockLength, encodedLength } from "../format.js";
import type { GradientCodec } from "./codec.js";

export interface SquinchCodecOptions {
  /** Default `sqrt`. */
  codebook?: CodebookName;
  /** Default `nearest`. */
  rounding?: "nearest" | "stochastic";
  /** Sends a measured gain with each shard; not with stochastic rounding. Default false. */
  gain?: boolean;
}

/** Squinch blocks, 6 bits a value. What is not finite is saturated and counted. */
export function squinchCodec(options: SquinchCodecOptions = {}): GradientCodec {
  const { codebook = "sqrt", rounding = "nearest", gain = false } = options;
  return {
    name: `squinch-${codebook}`,
    blockLength,
    bytes: (n) => encodedLength(n, { gain }),
    encode: (x, out, { seed, stream, residual, residualOut }) =>
      encodeInto(x, out, {
        codebook,
        rounding,
        gain,
        seed,
        stream,
        nonFinite: "saturate",
        ...(residual && { residual }),
        ...(residualOut && { residualOut }),
      }),
    decode: (bytes, out, { accumulate, scale }) => {
      decode(bytes, out.length, { out, accumulate, scale, codebook, gain });
    },
  };
}
