import { type FloatTensor, type IntTensor, intTensor, matmul, softcapForward } from "@cai/native";
import { attention, type Visibility } from "../autograd/attention.js";
import { embedding } from "../autograd/embedding.js";
import type { Parameter, Tape, Variable } from "../autograd/tape.js";
import { type LossOptions, linearCrossEntropy } from "../loss/linear-cross-entropy.js";
import { type Attend, Layer, type NormParameters, normalise, normParameters } from "./layer.js";
import { type ModelConfig, windowOf } from "./model-config.js";
import { modelNames } from "./names.js";
import { parameterLayout } from "./parameter-layout.js";
import { ParameterStore } from "./parameter-store.js";
import { rotaryTable } from "./rotary-table.js";

/** Rows of tokens for the model: B rows of T, row after row. */
export interface ModelInput {
  readonly tokens: Int32Array;
  readonly batchSize: number;
  readonly visibility?: Visibility;
}

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

  /** The summed cross-entropy of the rows against `targets` (−1 counts nothing), in nats; see {@link linearCrossEntropy}. */
  loss(tape: Tape, input: ModelInput, targets: Int32Array, options: LossOptions): number {
    const attend: Attend = (index, qkv) =>
      attention(tape, qkv, {
        ...this.config,
        batchSize: input.batchSize,
        visibility: input.visibility ?? {},
        window: windowOf(this.config, index),
        softcap: this.config.attentionSoftcap,
      });
    const hidden = this.#hidden(tape, input, input.visibility?.positions, attend);
    return linearCrossEntropy(tape, hidden, this.#head, intTensor(targets, [targets.length]), options);
  }

  /**
   * The logits [wanted, V] behind the last `wanted` of `tokens`, which continue one sequence or several: `attend` has what
   * came before each.
   *
   * @param positions int32 [1, T], those of the tokens in their sequences.
   */
  nextLogits(tape: Tape, tokens: Int32Array, positions: IntTensor, attend: Attend, wanted = 1): FloatTensor {
    const hidden = this.#hidden(tape, { tokens, batchSize: 1 }, positions, attend).value;
    const width = this.config.hiddenSize;
    const last = { ...hidden, shape: [wanted, width], data: hidden.data.subarray((tokens.length - wanted) * width) };
    const logits = tape.arena.take([wanted, this.config.vocabSize]);
    matmul(last, this.#head.value, logits, { transposeB: true });
    const cap = this.config.logitSoftcap;
    if (cap > 0) softcapForward(logits, logits, { cap });
    return logits;
  }

  #hidden(tape: Tape, input: ModelInput, positions: IntTensor | undefined, attend: Attend): Variable {
    const { tokens, batchSize } = input;
    const ids = intTensor(tokens, [tokens.length]);
    const learned = this.#positionTable && {
      table: this.#positionTable,
      positions: positions ? intTensor(positions.data, [tokens.length]) : positionsFromZero(tokens.length, batchSize),
    };
    let x = embedding(tape, ids, this.#embedding, learned);
    for (const layer of this.#layers) {
      x = layer.forward(tape, x, { batchSize, positions, rotary: this.#rotary, attend });
    }
    return normalise(tape, this.config, x, this.#finalNorm);
  }
}

function positionsFromZero(length: number, batchSize: number): IntTensor {
  const seqLen = length / batchSize;
  return intTensor(
    Int32Array.from({ length }, (_, i) => i % seqLen),
    [length],
  );
}
