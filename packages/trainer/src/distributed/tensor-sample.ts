import { blockLength } from "@cai/squinch";
import type { FlatRange } from "./held-values.js";

// 0.2 ms of measuring for each codebook.
const sampleBlocks = 1024;
/** The fractional part of the golden ratio: its multiples are spread evenly over [0, 1). */
const golden = 0.6180339887498949;

/** Blocks of a tensor, spread evenly over it, whose gradient is put by until the step has been made. */
export class TensorSample {
  readonly #range: FlatRange;
  readonly #blocks: readonly number[];
  /** Their gradient. */
  readonly gradient: Float32Array;

  /** @param range of the flat memory, from the border of a block. */
  constructor(range: FlatRange) {
    const blocks = Math.floor((range.end - range.begin) / blockLength);
    const count = Math.min(sampleBlocks, blocks);
    const stretch = blocks / count;
    this.#range = range;
    // A place in each stretch that varies, since a fixed one would keep to the same columns of a matrix.
    this.#blocks = Array.from({ length: count }, (_, i) => {
      const begin = Math.floor(i * stretch);
      return begin + Math.floor(((i * golden) % 1) * (Math.floor((i + 1) * stretch) - begin));
    });
    this.gradient = new Float32Array(count * blockLength);
  }

  /** Puts the gradient of the blocks by. */
  take(flat: Float32Array): void {
    this.#copy(flat.subarray(this.#range.begin, this.#range.end), this.gradient);
  }

  /** The second moments of the blocks. @param of tells those of a range. */
  moments(of: (range: FlatRange) => Float32Array): Float32Array {
    const out = new Float32Array(this.gradient.length);
    this.#copy(of(this.#range), out);
    return out;
  }

  #copy(from: Float32Array, to: Float32Array): void {
    this.#blocks.forEach((block, i) => {
      to.set(from.subarray(block * blockLength, (block + 1) * blockLength), i * blockLength);
    });
  }
}
