import { CaiError, type FloatTensor, type IntTensor, intTensor, matmul, softcapForward } from "@cai/native";
import { attention, positionsOf } from "../autograd/attention.js";
import { embedding } from "../autograd/embedding.js";
import type { Parameter, Tape, Variable } from "../autograd/tape.js";
import type { MicroBatch } from "../data/index.js";
import { type LossOptions, linearCrossEntropy } from "../loss/linear-cross-entropy.js";
import { type Attend, Layer, type NormParameters, normalise, normParameters } from "./layer.js";
import { type ModelConfig, windowOf } from "./model-config.js";
import { modelNames } from "./names.js";
import { parameterLayout } from "./parameter-layout.js";
import { ParameterStore } from "./parameter-store.js";
import { rotaryTable } from "./rotary-table.js";

/** What of a micro-batch the model computes a loss from. */
export type ModelInput = Pick<MicroBatch, "tokens" | "mask" | "targets" | "rows" | "weights">;

/** A decoder-only transformer over one {@link ParameterStore}. */
export class Transformer {
  readonly config: ModelConfig;
  readonly parameters: ParameterStore;
  readonly #rotary: FloatTensor | undefined;
  readonly #embedding: Parameter;
  readonly #positionTable: Parameter | undefined;
  readonly #layers: readonly Layer[];
  readonly #finalNorm: NormParameters;
  readonly #head: Parameter;

  constructor(config: ModelConfig) {
    const names = modelNames(config);
    const store = new ParameterStore(parameterLayout(config));
    this.config = config;
    this.parameters = store;
    this.#rotary =
      config.positions === "rotary" ? rotaryTable(config.maxSeqLen, config.headDim, config.ropeTheta) : undefined;
    this.#embedding = store.get(names.embedding);
    this.#positionTable = config.positions === "learned" ? store.get(names.positions) : undefined;
    this.#layers = Array.from({ length: config.numLayers }, (_, index) => new Layer(config, index, store));
    this.#finalNorm = normParameters(config, store, names.finalNorm);
    this.#head = config.tieEmbeddings ? this.#embedding : store.get(names.head);
  }

  /**
   * The weighted sum of the cross-entropy of the loss terms, in nats; see {@link linearCrossEntropy}.
   *
   * @throws CaiError `E_ARGUMENT` for arrays of lengths that don't fit each other, or an index out of range.
   */
  loss(tape: Tape, input: ModelInput, options: LossOptions): number {
    checkLengths(input);
    const { tokens, mask } = input;
    const attend: Attend = (index, qkv) =>
      attention(tape, qkv, {
        ...this.config,
        mask,
        window: windowOf(this.config, index),
        softcap: this.config.attentionSoftcap,
      });
    const hidden = this.#hidden(tape, tokens, mask.batchSize, positionsOf(mask), attend);
    return linearCrossEntropy(tape, hidden, this.#head, input, options);
  }

  /**
   * The logits [wanted, V] behind the last `wanted` of `tokens`, which continue one sequence or several: `attend` has what
   * came before each.
   *
   * @param positions int32 [1, T], those of the tokens in their sequences.
   */
  nextLogits(tape: Tape, tokens: Int32Array, positions: IntTensor, attend: Attend, wanted = 1): FloatTensor {
    const hidden = this.#hidden(tape, tokens, 1, positions, attend).value;
    const width = this.config.hiddenSize;
    const last = { ...hidden, shape: [wanted, width], data: hidden.data.subarray((tokens.length - wanted) * width) };
    const logits = tape.arena.take([wanted, this.config.vocabSize]);
    matmul(last, this.#head.value, logits, { transposeB: true });
    const cap = this.config.logitSoftcap;
    if (cap > 0) softcapForward(logits, logits, { cap });
    return logits;
  }

  #hidden(
    tape: Tape,
    tokens: Int32Array,
    batchSize: number,
    positions: IntTensor | undefined,
    attend: Attend,
  ): Variable {
    const ids = intTensor(tokens, [tokens.length]);
    const learned = this.#positionTable && {
      table: this.#positionTable,
      positions: positions ? intTensor(positions.data, [tokens.length]) : positionsFromZero(tokens.length, batchSize),
    };
    let x = embedding(tape, ids, this.#embedding, learned);
    for (const layer of this.#layers) {
      x = layer.forward(tape, x, { batchSize, positions, rotary: this.#rotary, attend });
      tape.forgetAllBut(x);
    }
    return normalise(tape, this.config, x, this.#finalNorm);
  }
}

function checkLengths({ tokens, mask, targets, rows, weights }: ModelInput): void {
  const check = (name: string, array: ArrayLike<number> | undefined, length: number, whose: string) => {
    if (!array || array.length === length) return;
    throw new CaiError("E_ARGUMENT", "trainer", `${name} must have ${length} elements, ${whose}, got ${array.length}`);
  };
  const all = mask.batchSize * mask.seqLen;
  check("tokens", tokens, all, "those of the mask");
  if (!rows) check("targets", targets, all, "one a token as there are no rows");
  check("rows", rows, targets.length, "one a target");
  check("weights", weights, targets.length, "one a target");
}

function positionsFromZero(length: number, batchSize: number): IntTensor {
  const seqLen = length / batchSize;
  return intTensor(
    Int32Array.from({ length }, (_, i) => i % seqLen),
    [length],
  );
}
