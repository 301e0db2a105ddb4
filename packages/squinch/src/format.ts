import { CaiError } from "@cai/portable/error";

/** The wire format's version, for handshakes and containers: blocks don't carry it. */
export const formatVersion = 1;

/** Values in a block. */
export const blockLength = 8;

/** Bytes of a block. */
export const blockBytes = 6;

/** Bytes of the gain behind the blocks, where there is one. */
export const gainBytes = 4;

export interface LengthOptions {
  /** Whether a gain follows the blocks. Default false. */
  gain?: boolean;
}

/**
 * Bytes that n values take: 6 · ceil(n / 8), and 4 more with a gain.
 *
 * @param n 0 or more. @throws CaiError `E_ARGUMENT`.
 */
export function encodedLength(n: number, options?: LengthOptions): number {
  checkCount(n, "encodedLength");
  return lengthOf(n, options?.gain === true);
}

/** @throws CaiError `E_ARGUMENT` unless n is a number of values whose bytes can be counted. */
export function checkCount(n: number, op: string): void {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new CaiError("E_ARGUMENT", op, `n must be a non-negative safe integer, got ${String(n)}`);
  }
}

/** {@link encodedLength} of a checked n. */
export function lengthOf(n: number, gain: boolean): number {
  return Math.ceil(n / blockLength) * blockBytes + (gain ? gainBytes : 0);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Writes a float32, little-endian on any machine. */
export function writeFloat(bytes: Uint8Array, position: number, value: number): void {
  float[0] = value;
  const word = bits[0] as number;
  for (let i = 0; i < 4; i++) bytes[position + i] = word >>> (8 * i);
}

/** Reads what {@link writeFloat} wrote. */
export function readFloat(bytes: Uint8Array, position: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= (bytes[position + i] as number) << (8 * i);
  bits[0] = word;
  return float[0] as number;
}
