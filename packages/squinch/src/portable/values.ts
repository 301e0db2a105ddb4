import type { CodeTables } from "../native-ops.js";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Whether these are bfloat16 bits; holds across realms. */
export function isBf16(x: Float32Array | Uint16Array): x is Uint16Array {
  return x.BYTES_PER_ELEMENT === 2;
}

/**
 * Copies `length` values of `x` from `start` to the beginning of `out`, widened and with the residual added (rounded to
 * float32), and pads the last block with zeros.
 */
export function loadValues(
  x: Float32Array | Uint16Array,
  start: number,
  length: number,
  residual: Float32Array | undefined,
  out: Float32Array,
): void {
  if (isBf16(x)) widen(x, start, length, out);
  else for (let i = 0; i < length; i++) out[i] = x[start + i] as number;
  if (residual) for (let i = 0; i < length; i++) out[i] = (out[i] as number) + (residual[start + i] as number);
  for (let i = length; i % 8 !== 0; i++) out[i] = 0;
}

function widen(x: Uint16Array, start: number, length: number, out: Float32Array): void {
  for (let i = 0; i < length; i++) {
    bits[0] = (x[start + i] as number) << 16;
    out[i] = float[0] as number;
  }
}

/** Index from `from` of the first of `length` values that is not finite, or −1. */
export function firstNonFinite(x: Float32Array, from: number, length: number): number {
  for (let i = 0; i < length; i++) if (!Number.isFinite(x[from + i] as number)) return i;
  return -1;
}

/** Makes NaN zero and infinities the largest decoded value. @returns how many there were. */
export function saturate(x: Float32Array, length: number, { levels, maxima }: CodeTables): number {
  const largest = Math.fround((levels[15] as number) * (maxima[255] as number));
  let count = 0;
  for (let i = 0; i < length; i++) {
    const value = x[i] as number;
    if (Number.isFinite(value)) continue;
    x[i] = Number.isNaN(value) ? 0 : Math.sign(value) * largest;
    count++;
  }
  return count;
}
