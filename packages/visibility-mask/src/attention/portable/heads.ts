import type { FloatTensor } from "../options.js";

/** [B, tokens, heads, D] over one array, by strides; D is dense. */
export class Heads {
  readonly data: Float32Array;
  readonly tokenStride: number;
  readonly #batchStride: number;
  readonly #headStride: number;

  constructor({ data, shape, strides }: FloatTensor) {
    const [, tokens, heads, D] = shape as [number, number, number, number];
    this.data = data;
    this.#batchStride = strides?.[0] ?? tokens * heads * D;
    this.tokenStride = strides?.[1] ?? heads * D;
    this.#headStride = strides?.[2] ?? D;
  }

  /** Where a token's head begins. */
  at(b: number, token: number, head: number): number {
    return b * this.#batchStride + token * this.tokenStride + head * this.#headStride;
  }
}
