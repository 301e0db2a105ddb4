import { blockOf, codeOf, type Lookup } from "./lookup.js";

// One block's values, then their scaled magnitudes; the same memory seen as bits.
const floats = new Float32Array(8);
const bits = new Int32Array(floats.buffer);

const magnitude = 0x7fffffff;
const infinity = 0x7f800000;

/** The larger of two non-negative integers, without a branch: which one it is can't be foreseen. */
function larger(a: number, b: number): number {
  const difference = a - b;
  return a - (difference & (difference >> 31));
}

/** The sign bit as 0 or 1, and 0 for −0. */
function signOf(bits: number, magnitude: number): number {
  return (-magnitude & bits) >>> 31;
}

/** 1 for 0, else 0. */
function isZero(magnitude: number): number {
  return (magnitude - 1) >>> 31;
}

/**
 * Encodes whole blocks of `x` from `start` into `out` from `position`, each value to its nearest code.
 *
 * @returns how many exact zeros stand in live blocks, or −1, in the middle of the work, when a value is not finite.
 *
 * Everything about a value is done on its bits, without a branch that depends on it.
 */
export function encodeNearest(
  x: Float32Array,
  start: number,
  blocks: number,
  out: Uint8Array,
  position: number,
  lookup: Lookup,
): number {
  const { blockCells, blockBounds, inverses, codeCells, codeBounds, signedZero } = lookup;
  let zeros = 0;
  let o = position;
  const end = start + 8 * blocks;
  for (let i = start; i < end; i += 8, o += 6) {
    floats[0] = x[i] as number;
    floats[1] = x[i + 1] as number;
    floats[2] = x[i + 2] as number;
    floats[3] = x[i + 3] as number;
    floats[4] = x[i + 4] as number;
    floats[5] = x[i + 5] as number;
    floats[6] = x[i + 6] as number;
    floats[7] = x[i + 7] as number;
    const b0 = bits[0] as number;
    const b1 = bits[1] as number;
    const b2 = bits[2] as number;
    const b3 = bits[3] as number;
    const b4 = bits[4] as number;
    const b5 = bits[5] as number;
    const b6 = bits[6] as number;
    const b7 = bits[7] as number;
    const m0 = b0 & magnitude;
    const m1 = b1 & magnitude;
    const m2 = b2 & magnitude;
    const m3 = b3 & magnitude;
    const m4 = b4 & magnitude;
    const m5 = b5 & magnitude;
    const m6 = b6 & magnitude;
    const m7 = b7 & magnitude;
    const m = larger(larger(larger(m0, m1), larger(m2, m3)), larger(larger(m4, m5), larger(m6, m7)));
    if (m >= infinity) return -1;
    const q = blockOf(m, blockCells, blockBounds);
    out[o] = q;
    if (q === 0) {
      out[o + 1] = 0;
      out[o + 2] = 0;
      out[o + 3] = 0;
      out[o + 4] = 0;
      out[o + 5] = 0;
      continue;
    }
    zeros += isZero(m0) + isZero(m1) + isZero(m2) + isZero(m3) + isZero(m4) + isZero(m5) + isZero(m6) + isZero(m7);
    const inverse = inverses[q] as number;
    floats[0] = Math.abs(floats[0] as number) * inverse;
    floats[1] = Math.abs(floats[1] as number) * inverse;
    floats[2] = Math.abs(floats[2] as number) * inverse;
    floats[3] = Math.abs(floats[3] as number) * inverse;
    floats[4] = Math.abs(floats[4] as number) * inverse;
    floats[5] = Math.abs(floats[5] as number) * inverse;
    floats[6] = Math.abs(floats[6] as number) * inverse;
    floats[7] = Math.abs(floats[7] as number) * inverse;
    const c0 = codeOf(bits[0] as number, codeCells, codeBounds);
    const c1 = codeOf(bits[1] as number, codeCells, codeBounds);
    const c2 = codeOf(bits[2] as number, codeCells, codeBounds);
    const c3 = codeOf(bits[3] as number, codeCells, codeBounds);
    const c4 = codeOf(bits[4] as number, codeCells, codeBounds);
    const c5 = codeOf(bits[5] as number, codeCells, codeBounds);
    const c6 = codeOf(bits[6] as number, codeCells, codeBounds);
    const c7 = codeOf(bits[7] as number, codeCells, codeBounds);
    out[o + 2] = c0 | (c1 << 4);
    out[o + 3] = c2 | (c3 << 4);
    out[o + 4] = c4 | (c5 << 4);
    out[o + 5] = c6 | (c7 << 4);
    let signs =
      signOf(b0, m0) |
      (signOf(b1, m1) << 1) |
      (signOf(b2, m2) << 2) |
      (signOf(b3, m3) << 3) |
      (signOf(b4, m4) << 4) |
      (signOf(b5, m5) << 5) |
      (signOf(b6, m6) << 6) |
      (signOf(b7, m7) << 7);
    if (signedZero === 0) {
      signs &= ~(
        isZero(c0) |
        (isZero(c1) << 1) |
        (isZero(c2) << 2) |
        (isZero(c3) << 3) |
        (isZero(c4) << 4) |
        (isZero(c5) << 5) |
        (isZero(c6) << 6) |
        (isZero(c7) << 7)
      );
    }
    out[o + 1] = signs;
  }
  return zeros;
}
