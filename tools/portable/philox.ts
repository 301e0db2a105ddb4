import { CaiError } from "@cai/portable/error";

/** Four 32-bit words. */
export type PhiloxWords = readonly [number, number, number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** The high word of a product of two 32-bit words, in 32-bit arithmetic: no sum below exceeds a word. */
function highProduct(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const other = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16)) | 0;
}

/**
 * Writes one block of Philox4x32-10, four uniform 32-bit words, to `out` from `position`: {@link philox4x32} without an
 * allocation. The key is (k0, k1), the counter (c0, c1, c2, c3), unsigned 32-bit words, low first.
 */
export function philoxInto(
  out: Uint32Array,
  position: number,
  k0: number,
  k1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(multiplier0, c0);
    const high1 = highProduct(multiplier1, c2);
    const low0 = Math.imul(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  out[position] = c0;
  out[position + 1] = c1;
  out[position + 2] = c2;
  out[position + 3] = c3;
}

/**
 * One block of Philox4x32-10: four uniform 32-bit words as a function of key and counter.
 *
 * @param key two 32-bit words, low first. @param counter four 32-bit words, low first.
 *
 * The native fills use key = seed and counter = (block index, stream), each as two words.
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
 */
export function philox4x32(key: readonly [number, number], counter: PhiloxWords): PhiloxWords {
  const out = new Uint32Array(4);
  philoxInto(out, 0, ...key, ...counter);
  return [...out] as unknown as PhiloxWords;
}

/** Low and high 32-bit words of an integer from 0 to 2⁶⁴ − 1. @throws CaiError `E_ARGUMENT`. */
export function wordsOf(value: bigint | number, name: string): [number, number] {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new CaiError("E_ARGUMENT", "Philox", `${name} must be a bigint or a safe integer, got ${value}`);
  }
  const wide = BigInt(value);
  if (wide < 0n || wide >= 1n << 64n) {
    throw new CaiError("E_ARGUMENT", "Philox", `${name} must be from 0 to 2^64 - 1, got ${wide}`);
  }
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)];
}

/**
 * A random generator that is a position in a Philox stream: `position` words have been drawn, and setting it goes there
 * at once. Runs anywhere, and `uniform()` gives what `randomUniform` of the same seed and stream gives in [0, 1).
 */
export class Philox {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  #position = 0;
  #block = -1;
  #words: PhiloxWords = [0, 0, 0, 0];

  /**
   * @param seed 0 to 2⁶⁴ − 1. @param stream 0 to 2⁶⁴ − 1; streams are independent. @param position words to skip.
   * @throws CaiError `E_ARGUMENT`.
   */
  constructor(seed: bigint | number, stream: bigint | number = 0, position = 0) {
    this.#key = wordsOf(seed, "seed");
    this.#stream = wordsOf(stream, "stream");
    this.position = position;
  }

  /** How many 32-bit words have been drawn: with seed and stream, the whole state. */
  get position(): number {
    return this.#position;
  }

  set position(position: number) {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new CaiError("E_ARGUMENT", "Philox", `position must be a non-negative safe integer, got ${position}`);
    }
    this.#position = position;
  }

  /** Uniform over the integers from 0 to 2³² − 1; one word. */
  uint32(): number {
    const block = Math.floor(this.#position / 4);
    if (block !== this.#block) {
      const counter = [block >>> 0, Math.floor(block / 2 ** 32), ...this.#stream] as const;
      this.#words = philox4x32(this.#key, counter);
      this.#block = block;
    }
    return this.#words[this.#position++ % 4] as number;
  }

  /** Uniform in [0, 1), a multiple of 2⁻²⁴ (exact as float32); one word. */
  uniform(): number {
    return (this.uint32() >>> 8) / 2 ** 24;
  }

  /**
   * Uniform over the integers from 0 to n − 1, each exactly equally likely; one word, rarely more.
   *
   * @param n 1 to 2³². @throws CaiError `E_ARGUMENT`.
   */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new CaiError("E_ARGUMENT", "Philox", `n must be an integer from 1 to 2^32, got ${n}`);
    }
    // Words at or above the last multiple of n would favour small results.
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % n;
    }
  }
}
