import { type FloatTensor, zeros } from "@cai/native";
import { attentionForward, type VisibilityMask } from "@cai/visibility-mask";
import { queryHeads } from "../autograd/attention.js";
import { headsView } from "../autograd/columns.js";
import type { Tape, Variable } from "../autograd/tape.js";
import { type ModelConfig, windowOf } from "../model/model-config.js";

/**
 * Keys and values of tokens, layer by layer: what makes a new token cost one row instead of all. A mask of one row says
 * how many slots there are and which slot's queries see which slots' keys, so that one sequence, beams and answers to a
 * shared prompt are the same to it.
 */
export class KeyValueCache {
  readonly mask: VisibilityMask;
  readonly #config: ModelConfig;
  /** A layer's slots: [S, 2 · numKvHeads · headDim], keys before values. */
  readonly #layers: readonly FloatTensor[];

  constructor(config: ModelConfig, mask: VisibilityMask) {
    this.mask = mask;
    this.#config = config;
    this.#layers = Array.from({ length: config.numLayers }, () =>
      zeros([mask.seqLen, 2 * config.numKvHeads * config.headDim]),
    );
  }

  /**
   * Puts the keys and values of new tokens into their slots of layer `index`, then attends: each query sees what its slot
   * sees.
   *
   * @param qkv the fused projection of the tokens. @param slots one for each token, all different.
   */
  attend(tape: Tape, index: number, qkv: Variable, slots: Int32Array): Variable {
    const { numHeads, numKvHeads, headDim } = this.#config;
    const layer = this.#layers[index] as FloatTensor;
    const [rows, width] = qkv.value.shape as [number, number];
    const layerWidth = layer.shape[1] as number;
    for (let row = 0; row < rows; row++) {
      const from = row * width + numHeads * headDim;
      layer.data.set(qkv.value.data.subarray(from, from + layerWidth), (slots[row] as number) * layerWidth);
    }
    const one = { batchSize: 1, headDim };
    const out = tape.variable([rows, numHeads * headDim]);
    const lse = tape.arena.take([1, numHeads, rows]);
    attentionForward(
      queryHeads(qkv.value, { ...one, numHeads, numKvHeads }),
      headsView(layer, one, 0, numKvHeads),
      headsView(layer, one, numKvHeads, numKvHeads),
      headsView(out.value, one, 0, numHeads),
      lse,
      {
        mask: this.mask,
        queryIndices: slots,
        window: windowOf(this.#config, index),
        softcap: this.#config.attentionSoftcap,
      },
    );
    tape.record(out, [lse], [], () => {});
    return out;
  }

  /** Copies `count` slots from slot `from` of `source` to slot `to`, in every layer. */
  copy(from: number, to: number, count: number, source: KeyValueCache = this): void {
    this.#layers.forEach(({ data, shape: [, width = 0] }, index) => {
      const { data: sourceData } = source.#layers[index] as FloatTensor;
      data.set(sourceData.subarray(from * width, (from + count) * width), to * width);
    });
  }
}
