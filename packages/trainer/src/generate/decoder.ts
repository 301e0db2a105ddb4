import { type FloatTensor, intTensor } from "@cai/native";
import type { VisibilityMask } from "@cai/visibility-mask";
import { Arena } from "../autograd/arena.js";
import { Tape } from "../autograd/tape.js";
import type { Transformer } from "../model/transformer.js";
import { KeyValueCache } from "./key-value-cache.js";

// A step's tensors are small, and the garbage collector hurries when it is told of much memory.
const slabBytes = 4 * 2 ** 20;

/** A model that reads tokens into the slots of a {@link KeyValueCache}, as many sequences side by side as its mask has. */
export class Decoder {
  readonly cache: KeyValueCache;
  /** The memory of {@link read}, which takes all of it back first. Decoders may share one. */
  readonly arena: Arena;
  readonly #model: Transformer;

  /**
   * @param mask one row: a token for each slot; positions below the model's maxSeqLen.
   * @param arena see {@link arena}; one of its own by default.
   */
  constructor(model: Transformer, mask: VisibilityMask, arena = new Arena(slabBytes)) {
    this.#model = model;
    this.arena = arena;
    this.cache = new KeyValueCache(model.config, mask);
  }

  /**
   * Reads a batch of tokens, all at once.
   *
   * @param slots the slot of each token, all different; what a slot sees must be there already or be in the batch.
   * @param wanted how many tokens, the last ones, to give logits for.
   * @returns logits [wanted, V] behind those tokens, valid until the next call.
   */
  read(tokens: Int32Array, slots: Int32Array, wanted = tokens.length): FloatTensor {
    this.arena.reset();
    const tape = new Tape(this.arena, { recording: false });
    const { mask } = this.cache;
    const positions = intTensor(
      slots.map((slot) => mask.position(slot)),
      [1, slots.length],
    );
    const attend = (layer: number, qkv: Parameters<KeyValueCache["attend"]>[2]) =>
      this.cache.attend(tape, layer, qkv, slots);
    return this.#model.nextLogits(tape, tokens, positions, attend, wanted);
  }

  /** Reads a whole prompt into the first slots. @returns the logits [1, V] behind its last token. */
  readPrompt(prompt: ArrayLike<number>): FloatTensor {
    const tokens = Int32Array.from(prompt);
    return this.read(
      tokens,
      tokens.map((_, i) => i),
      1,
    );
  }
}
