import type { Lookup } from "./lookup.js";

const fround = Math.fround;

/**
 * Decodes whole blocks of `bytes` from `position` into `out` from `start`: (value · gain) · scale, each product rounded
 * to float32.
 */
export function decodeBlocks(
  bytes: Uint8Array,
  position: number,
  blocks: number,
  out: Float32Array,
  start: number,
  { values }: Lookup,
  gain: number,
  scale: number,
): void {
  let o = position;
  const end = start + 8 * blocks;
  for (let i = start; i < end; i += 8, o += 6) {
    const row = (bytes[o] as number) << 5;
    const signs = bytes[o + 1] as number;
    const p0 = bytes[o + 2] as number;
    const p1 = bytes[o + 3] as number;
    const p2 = bytes[o + 4] as number;
    const p3 = bytes[o + 5] as number;
    out[i] = fround((values[row | ((signs << 4) & 16) | (p0 & 15)] as number) * gain) * scale;
    out[i + 1] = fround((values[row | ((signs << 3) & 16) | (p0 >> 4)] as number) * gain) * scale;
    out[i + 2] = fround((values[row | ((signs << 2) & 16) | (p1 & 15)] as number) * gain) * scale;
    out[i + 3] = fround((values[row | ((signs << 1) & 16) | (p1 >> 4)] as number) * gain) * scale;
    out[i + 4] = fround((values[row | (signs & 16) | (p2 & 15)] as number) * gain) * scale;
    out[i + 5] = fround((values[row | ((signs >> 1) & 16) | (p2 >> 4)] as number) * gain) * scale;
    out[i + 6] = fround((values[row | ((signs >> 2) & 16) | (p3 & 15)] as number) * gain) * scale;
    out[i + 7] = fround((values[row | ((signs >> 3) & 16) | (p3 >> 4)] as number) * gain) * scale;
  }
}

/** As {@link decodeBlocks}, added to `out` and rounded to float32. */
export function addBlocks(
  bytes: Uint8Array,
  position: number,
  blocks: number,
  out: Float32Array,
  start: number,
  { values }: Lookup,
  gain: number,
  scale: number,
): void {
  let o = position;
  const end = start + 8 * blocks;
  for (let i = start; i < end; i += 8, o += 6) {
    const row = (bytes[o] as number) << 5;
    const signs = bytes[o + 1] as number;
    const p0 = bytes[o + 2] as number;
    const p1 = bytes[o + 3] as number;
    const p2 = bytes[o + 4] as number;
    const p3 = bytes[o + 5] as number;
    const v0 = fround(fround((values[row | ((signs << 4) & 16) | (p0 & 15)] as number) * gain) * scale);
    const v1 = fround(fround((values[row | ((signs << 3) & 16) | (p0 >> 4)] as number) * gain) * scale);
    const v2 = fround(fround((values[row | ((signs << 2) & 16) | (p1 & 15)] as number) * gain) * scale);
    const v3 = fround(fround((values[row | ((signs << 1) & 16) | (p1 >> 4)] as number) * gain) * scale);
    const v4 = fround(fround((values[row | (signs & 16) | (p2 & 15)] as number) * gain) * scale);
    const v5 = fround(fround((values[row | ((signs >> 1) & 16) | (p2 >> 4)] as number) * gain) * scale);
    const v6 = fround(fround((values[row | ((signs >> 2) & 16) | (p3 & 15)] as number) * gain) * scale);
    const v7 = fround(fround((values[row | ((signs >> 3) & 16) | (p3 >> 4)] as number) * gain) * scale);
    out[i] = (out[i] as number) + v0;
    out[i + 1] = (out[i + 1] as number) + v1;
    out[i + 2] = (out[i + 2] as number) + v2;
    out[i + 3] = (out[i + 3] as number) + v3;
    out[i + 4] = (out[i + 4] as number) + v4;
    out[i + 5] = (out[i + 5] as number) + v5;
    out[i + 6] = (out[i + 6] as number) + v6;
    out[i + 7] = (out[i + 7] as number) + v7;
  }
}
