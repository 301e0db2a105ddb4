import { type FloatTensor, intTensor } from "@cai/native";
import type { MicroBatch } from "@cai/trainer";
import {
  attention,
  embedding,
  linear,
  linearCrossEntropy,
  type Parameter,
  type ParameterSpec,
  ParameterStore,
  positionsOf,
  rmsNorm,
  rotaryInPlace,
  rotaryTable,
  type Tape,
  type Variable,
} from "@cai/trainer/parts";
import { type ExpertParameters, expertLayer } from "./expert-layer.js";
import type { Routing } from "./routing.js";

export interface MixtureConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numExperts: number;
  /** Width of one expert's hidden layer. */
  readonly expertSize: number;
  readonly seqLen: number;
  /** Weight of the balance loss. */
  readonly balance: number;
}

interface LayerParameters extends ExpertParameters {
  readonly attentionNorm: Parameter;
  readonly qkv: Parameter;
  readonly attentionOut: Parameter;
  readonly expertNorm: Parameter;
}

interface LayerContext {
  readonly index: number;
  readonly mask: MicroBatch["mask"];
  readonly gradScale: number;
}

const initStd = 0.02;
const normEps = 1e-5;

/** A decoder whose feed-forward layers are mixtures of experts: RMSNorm, rotary positions, tied embeddings, no biases. */
export class MixtureModel {
  readonly config: MixtureConfig;
  readonly parameters: ParameterStore;
  /** Sees each layer's routing in the forward pass. */
  onRouting: ((layer: number, routing: Routing) => void) | undefined;
  readonly #embedding: Parameter;
  readonly #finalNorm: Parameter;
  readonly #layers: readonly LayerParameters[];
  readonly #rotary: FloatTensor;

  constructor(config: MixtureConfig) {
    const store = new ParameterStore(mixtureLayout(config));
    this.config = config;
    this.parameters = store;
    this.#embedding = store.get("embedding");
    this.#finalNorm = store.get("final_norm");
    this.#layers = Array.from({ length: config.numLayers }, (_, i) => ({
      attentionNorm: store.get(`${i}.attention_norm`),
      qkv: store.get(`${i}.qkv`),
      attentionOut: store.get(`${i}.attention_out`),
      expertNorm: store.get(`${i}.expert_norm`),
      router: store.get(`${i}.router`),
      up: store.get(`${i}.experts_up`),
      down: store.get(`${i}.experts_down`),
    }));
    this.#rotary = rotaryTable(config.seqLen, config.hiddenSize / config.numHeads, 10_000);
  }

  /**
   * Summed cross-entropy in nats, without the balance loss, whose gradient is there all the same.
   *
   * @param gradScale 1 / summed weights of the loss tokens.
   */
  loss(tape: Tape, batch: MicroBatch, gradScale: number): number {
    const { tokens, mask } = batch;
    let x = embedding(tape, intTensor(tokens, [tokens.length]), this.#embedding);
    this.#layers.forEach((layer, index) => {
      x = this.#layer(tape, x, layer, { index, mask, gradScale });
    });
    const hidden = rmsNorm(tape, x, this.#finalNorm, normEps);
    return linearCrossEntropy(tape, hidden, this.#embedding, batch, {
      chunkRows: 256,
      chunkVocab: 0,
      softcap: 0,
      gradScale,
    });
  }

  #layer(tape: Tape, x: Variable, layer: LayerParameters, { index, mask, gradScale }: LayerContext): Variable {
    const { hiddenSize, numHeads, balance } = this.config;
    const heads = { batchSize: mask.batchSize, numHeads, numKvHeads: numHeads, headDim: hiddenSize / numHeads };
    const normed = rmsNorm(tape, x, layer.attentionNorm, normEps);
    const qkv = linear(tape, normed, layer.qkv, { layout: "out-in" });
    rotaryInPlace(tape, qkv, this.#rotary, heads, positionsOf(mask));
    const seen = attention(tape, qkv, { ...heads, mask, window: 0, softcap: 0 });
    const attended = linear(tape, seen, layer.attentionOut, { layout: "out-in", addend: x });
    const { out } = expertLayer(tape, rmsNorm(tape, attended, layer.expertNorm, normEps), layer, {
      balance,
      gradScale,
      addend: attended,
      onRouting: (routing) => this.onRouting?.(index, routing),
    });
    return out;
  }
}

function mixtureLayout(config: MixtureConfig): ParameterSpec[] {
  const { vocabSize, hiddenSize, numLayers, numExperts, expertSize } = config;
  const residualStd = initStd / Math.sqrt(2 * numLayers);
  const matrix = (name: string, shape: readonly number[], std = initStd): ParameterSpec => {
    return { name, shape, init: { normal: std }, decay: true };
  };
  const gain = (name: string): ParameterSpec => ({ name, shape: [hiddenSize], init: { constant: 1 }, decay: false });
  const layers = Array.from({ length: numLayers }, (_, i) => [
    gain(`${i}.attention_norm`),
    matrix(`${i}.qkv`, [3 * hiddenSize, hiddenSize]),
    matrix(`${i}.attention_out`, [hiddenSize, hiddenSize], residualStd),
    gain(`${i}.expert_norm`),
    matrix(`${i}.router`, [numExperts, hiddenSize]),
    matrix(`${i}.experts_up`, [numExperts, expertSize, hiddenSize]),
    matrix(`${i}.experts_down`, [numExperts, hiddenSize, expertSize], residualStd),
  ]);
  return [matrix("embedding", [vocabSize, hiddenSize]), ...layers.flat(), gain("final_norm")];
}
