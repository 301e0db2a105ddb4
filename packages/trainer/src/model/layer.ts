import type { FloatTensor, IntTensor } from "@cai/native";
import { type HeadLayout, rotaryInPlace } from "../autograd/attention.js";
import { siluGated } from "../autograd/gated.js";
import { headNorm } from "../autograd/head-norm.js";
import { linear } from "../autograd/linear.js";
import { layerNorm, rmsNorm } from "../autograd/normalisation.js";
import type { Parameter, Tape, Variable } from "../autograd/tape.js";
import type { ModelConfig } from "./model-config.js";
import { modelNames } from "./names.js";
import type { ParameterStore } from "./parameter-store.js";

interface LinearParameters {
  weight: Parameter;
  bias?: Parameter;
}

/** Turns a layer's fused projection into its attention output: with a cache or without. */
export type Attend = (layerIndex: number, qkv: Variable) => Variable;

export interface LayerInput {
  batchSize: number;
  /** int32 [B, T]; 0 to T − 1 when absent. */
  positions: IntTensor | undefined;
  /** cos and sin by position, where positions are rotary. */
  rotary: FloatTensor | undefined;
  attend: Attend;
}

/** Gain and, for LayerNorm, shift of a normalisation. */
export interface NormParameters {
  weight: Parameter;
  bias?: Parameter;
}

/** One pre-norm block: x + attention(norm(x)), then x + feedForward(norm(x)). */
export class Layer {
  readonly #config: ModelConfig;
  readonly #index: number;
  readonly #attentionNorm: NormParameters;
  readonly #qkv: LinearParameters;
  readonly #headNorms: { query: Parameter; key: Parameter } | undefined;
  readonly #attentionOut: LinearParameters;
  readonly #feedForwardNorm: NormParameters;
  readonly #feedForwardIn: LinearParameters;
  readonly #feedForwardOut: LinearParameters;

  constructor(config: ModelConfig, index: number, store: ParameterStore) {
    const names = modelNames(config).layer(index);
    const fused = (parts: readonly { weight: string; bias: string }[]): LinearParameters => ({
      weight: store.stacked(parts.map(({ weight }) => weight)),
      ...(config.bias && { bias: store.stacked(parts.map(({ bias }) => bias)) }),
    });
    this.#config = config;
    this.#index = index;
    this.#attentionNorm = normParameters(config, store, names.attentionNorm);
    this.#qkv = fused(names.qkv);
    this.#headNorms = config.qkNorm ? { query: store.get(names.queryNorm), key: store.get(names.keyNorm) } : undefined;
    this.#attentionOut = fused([names.attentionOut]);
    this.#feedForwardNorm = normParameters(config, store, names.feedForwardNorm);
    this.#feedForwardIn = fused(names.feedForwardIn);
    this.#feedForwardOut = fused([names.feedForwardOut]);
  }

  forward(tape: Tape, x: Variable, input: LayerInput): Variable {
    const config = this.#config;
    const heads: HeadLayout = { ...config, batchSize: input.batchSize };
    let qkv = this.#linear(tape, normalise(tape, config, x, this.#attentionNorm), this.#qkv);
    if (this.#headNorms) qkv = headNorm(tape, qkv, this.#headNorms, config.normEps, heads);
    if (input.rotary) qkv = rotaryInPlace(tape, qkv, input.rotary, heads, input.positions);
    const attended = this.#linear(tape, input.attend(this.#index, qkv), this.#attentionOut, { addend: x });
    const normed = normalise(tape, config, attended, this.#feedForwardNorm);
    return this.#linear(tape, this.#feedForward(tape, normed), this.#feedForwardOut, { addend: attended });
  }

  #feedForward(tape: Tape, x: Variable): Variable {
    const { activation } = this.#config;
    if (activation === "silu-gated") return siluGated(tape, this.#linear(tape, x, this.#feedForwardIn));
    return this.#linear(tape, x, this.#feedForwardIn, { activation });
  }

  #linear(
    tape: Tape,
    x: Variable,
    { weight, bias }: LinearParameters,
    extra: { addend?: Variable; activation?: "relu2" | "gelu" } = {},
  ): Variable {
    const layout = this.#config.family === "gpt2" ? "in-out" : "out-in";
    return linear(tape, x, weight, { layout, ...(bias && { bias }), ...extra });
  }
}

export function normParameters(
  config: ModelConfig,
  store: ParameterStore,
  names: { weight: string; bias: string },
): NormParameters {
  const weight = store.get(names.weight);
  return config.norm === "layernorm" ? { weight, bias: store.get(names.bias) } : { weight };
}

export function normalise(tape: Tape, config: ModelConfig, x: Variable, { weight, bias }: NormParameters): Variable {
  return config.norm === "layernorm"
    ? layerNorm(tape, x, weight, bias, config.normEps)
    : rmsNorm(tape, x, weight, config.normEps);
}
