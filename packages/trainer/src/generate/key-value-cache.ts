import { attentionForward, CaiError, type FloatTensor, zeros } from "@cai/native";
import { queryHeads } from "../autograd/attention.js";
import { headsView } from "../autograd/columns.js";
import type { Tape, Variable } from "../autograd/tape.js";
import { type ModelConfig, windowOf } from "../model/model-config.js";

/** Keys and values of one growing sequence, layer by layer: what makes a new token cost one row instead of all. */
export class KeyValueCache {
  readonly capacity: number;
  readonly #config: ModelConfig;
  /** A layer's rows: [capacity, 2 · numKvHeads · headDim], keys before values. */
  readonly #layers: readonly FloatTensor[];
  #length = 0;

  constructor(config: ModelConfig, capacity: number) {
    this.capacity = capacity;
    this.#config = config;
    this.#layers = Array.from({ length: config.numLayers }, () =>
      zeros([capacity, 2 * config.numKvHeads * config.headDim]),
    );
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#length;
  }

  /** Counts tokens whose rows every layer has added. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /** Adds the keys and values of new tokens to layer `index`, then lets their queries see all rows so far. */
  attend(tape: Tape, index: number, qkv: Variable): Variable {
    const { numHeads, numKvHeads, headDim } = this.#config;
    const [rows, width] = qkv.value.shape as [number, number];
    const total = this.#length + rows;
    if (total > this.capacity) {
      throw new CaiError("E_ARGUMENT", "generate", `the cache holds ${this.capacity} tokens, got ${total}`);
    }
    const cache = this.#layers[index] as FloatTensor;
    const cacheWidth = cache.shape[1] as number;
    for (let row = 0; row < rows; row++) {
      const from = row * width + numHeads * headDim;
      cache.data.set(qkv.value.data.subarray(from, from + cacheWidth), (this.#length + row) * cacheWidth);
    }
    const one = { batchSize: 1, headDim };
    const used = { ...cache, shape: [total, cacheWidth], data: cache.data.subarray(0, total * cacheWidth) };
    const out = tape.variable([rows, numHeads * headDim]);
    const lse = tape.arena.take([1, numHeads, rows]);
    attentionForward(
      queryHeads(qkv.value, { ...this.#config, batchSize: 1 }),
      headsView(used, one, 0, numKvHeads),
      headsView(used, one, numKvHeads, numKvHeads),
      headsView(out.value, one, 0, numHeads),
      lse,
      {
        scale: 1 / Math.sqrt(headDim),
        window: windowOf(this.#config, index),
        softcap: this.#config.attentionSoftcap,
        queryOffset: this.#length,
      },
    );
    tape.record(out, [lse], [], () => {});
    return out;
  }
}
