// A second implementation, written from FORMAT.md with no eye on speed: plain searches in double precision.
import { philox4x32 } from "@cai/portable/philox";
import type { CodebookName } from "../../src/codebook.js";
import { exactAdamLevel, exactInverse, exactMaximum } from "./exact.js";

const round32 = Math.fround;
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

export const maxabs = range(256).map(exactMaximum);
const inverse = range(256).map(exactInverse);

export const levels: Record<CodebookName, number[]> = {
  sqrt: range(16).map((k) => ((k + 0.5) / 16) ** 2),
  adam: range(16).map(exactAdamLevel),
  lloyd: [
    0, 0.045, 0.0923, 0.1419, 0.1933, 0.2476, 0.3053, 0.3662, 0.4313, 0.5009, 0.576, 0.6575, 0.7466, 0.8464, 0.9026,
    0.9652,
  ].map(round32),
};

function nearestCode(t: number, codebook: CodebookName): number {
  if (codebook === "sqrt") return Math.min(15, Math.trunc(round32(Math.sqrt(t))));
  const level = levels[codebook];
  const midpoint = (k: number) => round32(128 * ((level[k - 1] as number) + (level[k] as number)));
  return range(16).filter((k) => k === 0 || t >= midpoint(k)).length - 1;
}

export interface ReferenceOptions {
  codebook?: CodebookName;
  stochastic?: { seed: bigint; stream: bigint };
}

interface Code {
  negative: boolean;
  code: number;
}

/** The bytes of finite values. */
export function referenceEncode(x: ArrayLike<number>, options: ReferenceOptions = {}): Uint8Array {
  const codebook = options.codebook ?? "sqrt";
  const bytes: number[] = [];
  for (let start = 0; start < x.length; start += 8) {
    const block = range(Math.min(8, x.length - start)).map((i) => x[start + i] as number);
    const m = Math.max(...block.map(Math.abs));
    const q = options.stochastic ? coveringBlock(m, codebook) : nearestBlock(m);
    const codes = block.map((value, i): Code => {
      if (q === 0) return { negative: false, code: 0 };
      if (options.stochastic) return stochasticCode(value, q, codebook, randomWord(options.stochastic, start + i));
      return { negative: value < 0, code: nearestCode(round32(Math.abs(value) * (inverse[q] as number)), codebook) };
    });
    bytes.push(...blockOf(q, codes, codebook));
  }
  return Uint8Array.from(bytes);
}

function blockOf(q: number, codes: Code[], codebook: CodebookName): number[] {
  const block = [q, 0, 0, 0, 0, 0];
  for (const [i, { negative, code }] of codes.entries()) {
    if (negative && !(codebook !== "sqrt" && code === 0)) block[1] = (block[1] as number) + 2 ** i;
    const byte = 2 + Math.floor(i / 2);
    block[byte] = (block[byte] as number) + code * (i % 2 === 0 ? 1 : 16);
  }
  return block;
}

function nearestBlock(m: number): number {
  const q = maxabs.findIndex((value) => m < value);
  return q < 0 ? 255 : q;
}

function coveringBlock(m: number, codebook: CodebookName): number {
  if (m === 0) return 0;
  const q = maxabs.findIndex((value, i) => i > 0 && m <= round32((levels[codebook][15] as number) * value));
  return q < 0 ? 255 : q;
}

function randomWord({ seed, stream }: { seed: bigint; stream: bigint }, index: number): number {
  const words = (value: bigint): [number, number] => [Number(value & 0xffffffffn), Number(value >> 32n)];
  return philox4x32(words(seed), [...words(BigInt(Math.floor(index / 4))), ...words(stream)])[index % 4] as number;
}

function stochasticCode(value: number, q: number, codebook: CodebookName, u: number): Code {
  const decoded = levels[codebook].map((level) => round32(level * (maxabs[q] as number)));
  const a = Math.abs(value);
  const code = decoded.filter((d) => d <= a).length - 1;
  const negative = value < 0;
  if (code === 15) return { negative, code };
  if (code < 0) {
    const level = decoded[0] as number;
    return { negative: u * (2 * level) >= (value + level) * 2 ** 32, code: 0 };
  }
  const low = decoded[code] as number;
  const high = decoded[code + 1] as number;
  return { negative, code: u * (high - low) < (a - low) * 2 ** 32 ? code + 1 : code };
}

/** What bytes decode to, before gain and scale. */
export function referenceDecode(bytes: Uint8Array, n: number, codebook: CodebookName = "sqrt"): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => {
    const at = 6 * Math.floor(i / 8);
    const q = bytes[at] as number;
    if (q === 0) return 0;
    const pair = bytes[at + 2 + ((i % 8) >> 1)] as number;
    const code = i % 2 === 0 ? pair % 16 : pair >> 4;
    const value = round32((levels[codebook][code] as number) * (maxabs[q] as number));
    return ((bytes[at + 1] as number) >> (i % 8)) & 1 ? -value : value;
  });
}
