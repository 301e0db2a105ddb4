import { philox4x32 } from "@cai/portable/philox";
import { type FloatTensor, floatTensor, type SquinchCounts, type SquinchTables } from "../js/index.js";

/** Tables as plain numbers. */
export interface ReferenceTables {
  maxima: number[];
  inverses: number[];
  thresholds: number[];
  levels: number[];
  signedZero: boolean;
}

const { fround } = Math;
const scales = Array.from({ length: 256 }, (_, q) => Math.exp((q - 128) / 6));
const codes = Array.from({ length: 16 }, (_, code) => code);

const view = new DataView(new ArrayBuffer(4));

export function floatOf(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

export function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

/** The least float32 whose root, rounded to float32, is at least k. */
function leastWithRoot(k: number): number {
  let bits = bitsOf(k * k);
  while (fround(Math.sqrt(floatOf(bits - 1))) >= k) bits--;
  return floatOf(bits);
}

const shared = { maxima: scales.map(fround), inverses: scales.map((scale) => fround(256 / scale)) };

/** Levels ((k + ½) / 16)², each zero with a sign. */
export const sqrtTables: ReferenceTables = {
  ...shared,
  thresholds: codes.slice(1).map(leastWithRoot),
  levels: codes.map((code) => ((code + 0.5) / 16) ** 2),
  signedZero: true,
};

const powers = codes.map((code) => fround(0.97 * (code / 15) ** 2.5));

/** Levels 0.97 · (k / 15)^2.5, thresholds half-way between them. */
export const powerTables: ReferenceTables = {
  ...shared,
  thresholds: codes.slice(1).map((code) => fround(128 * ((powers[code - 1] as number) + (powers[code] as number)))),
  levels: powers,
  signedZero: false,
};

/** Levels k / 16: evenly spaced thresholds, for which the kernel's index has buckets of their own. */
export const linearTables: ReferenceTables = {
  ...shared,
  thresholds: codes.slice(1).map((code) => 16 * code - 8),
  levels: codes.map((code) => code / 16),
  signedZero: false,
};

const crowded = codes.map((code) => code / (code < 12 ? 256 : 16));

/** Levels of which many lie close together: more than one threshold to a bucket of the kernel's index, however laid. */
export const crowdedTables: ReferenceTables = {
  ...shared,
  thresholds: codes.slice(1).map((code) => 128 * ((crowded[code - 1] as number) + (crowded[code] as number))),
  levels: crowded,
  signedZero: false,
};

export function nativeTables({ signedZero, ...tables }: ReferenceTables): SquinchTables {
  const tensor = (values: number[]): FloatTensor => floatTensor(Float32Array.from(values), [values.length]);
  const { maxima, inverses, thresholds, levels } = tables;
  return {
    maxima: tensor(maxima),
    inverses: tensor(inverses),
    thresholds: tensor(thresholds),
    levels: tensor(levels),
    signedZero,
  };
}

interface Rounding {
  seed: bigint;
  stream: bigint;
}

/** Straight from the definition in squinch.h: a block at a time, by searching. `x` is finite. */
export function referenceEncode(x: Float32Array, tables: ReferenceTables, random?: Rounding): Uint8Array {
  const out = new Uint8Array(6 * Math.ceil(x.length / 8));
  for (let start = 0; start < x.length; start += 8) {
    const values = Array.from(x.subarray(start, start + 8));
    const m = Math.max(...values.map(Math.abs));
    const q = random ? coveringScale(m, tables) : scaleAbove(m, tables);
    if (q === 0) continue;
    const at = (start / 8) * 6;
    out[at] = q;
    values.forEach((value, i) => {
      const { code, negative } = random
        ? stochastic(value, q, tables, word(random, start + i))
        : nearest(value, q, tables);
      const sign = negative && (tables.signedZero || code > 0);
      out[at + 1] = (out[at + 1] as number) | (Number(sign) << i);
      const byte = at + 2 + (i >> 1);
      out[byte] = (out[byte] as number) | (code << (4 * (i & 1)));
    });
  }
  return out;
}

function scaleAbove(m: number, { maxima }: ReferenceTables): number {
  const q = maxima.findIndex((maximum) => m < maximum);
  return q < 0 ? 255 : q;
}

function coveringScale(m: number, { maxima, levels }: ReferenceTables): number {
  if (m === 0) return 0;
  const q = maxima.findIndex((maximum, index) => index > 0 && m <= fround((levels[15] as number) * maximum));
  return q < 0 ? 255 : q;
}

function nearest(value: number, q: number, { inverses, thresholds }: ReferenceTables) {
  const t = fround(Math.abs(value) * (inverses[q] as number));
  return { code: thresholds.filter((threshold) => threshold <= t).length, negative: value < 0 };
}

function stochastic(value: number, q: number, { maxima, levels }: ReferenceTables, u: number) {
  const decoded = levels.map((level) => fround(level * (maxima[q] as number)));
  const size = Math.abs(value);
  const at = (code: number) => decoded[code] as number;
  if (size < at(0)) return { code: 0, negative: !(u * (2 * at(0)) < (value + at(0)) * 2 ** 32) };
  const code = decoded.filter((level) => level <= size).length - 1;
  const up = code < 15 && u * (at(code + 1) - at(code)) < (size - at(code)) * 2 ** 32;
  return { code: code + Number(up), negative: value < 0 };
}

function word({ seed, stream }: Rounding, i: number): number {
  const halves = (value: bigint) => [Number(value & 0xffffffffn), Number(value >> 32n)] as const;
  const [low, high] = halves(stream);
  return philox4x32(halves(seed), [Math.floor(i / 4), 0, low, high])[i % 4] as number;
}

/** What bytes decode to, times gain and scale. */
export function referenceDecode(bytes: Uint8Array, n: number, tables: ReferenceTables, gain = 1, scale = 1) {
  return Float32Array.from({ length: n }, (_, index) => {
    const at = Math.floor(index / 8) * 6;
    const i = index % 8;
    const code = ((bytes[at + 2 + (i >> 1)] as number) >> (4 * (i & 1))) & 15;
    const sign = ((bytes[at + 1] as number) >> i) & 1 ? -1 : 1;
    const q = bytes[at] as number;
    const value = q === 0 ? 0 : fround(sign * (tables.levels[code] as number) * (tables.maxima[q] as number));
    return fround(fround(value * gain) * scale);
  });
}

/** Sums in the stated order, of v (zeros as padding) and what it decodes to. */
export function referenceSums(v: Float32Array, decoded: Float32Array): Pick<SquinchCounts, "dot" | "square"> {
  const sum = (of: (i: number) => number) => {
    let total = 0;
    for (let start = 0; start < v.length; start += 8192) {
      const s = Array.from({ length: 8 }, () => 0) as [number, number, number, number, number, number, number, number];
      for (let i = start; i < Math.min(v.length, start + 8192); i++) s[i % 8] = (s[i % 8] as number) + of(i);
      total += s[0] + s[1] + (s[2] + s[3]) + (s[4] + s[5] + (s[6] + s[7]));
    }
    return total;
  };
  const d = (i: number) => decoded[i] as number;
  return { dot: sum((i) => (v[i] as number) * d(i)), square: sum((i) => d(i) * d(i)) };
}
