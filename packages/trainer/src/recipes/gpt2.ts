import type { RecipeInput } from "../config/recipe.js";

/** GPT-2's layout at any size: LayerNorm, biases, tanh-gelu, learned positions, tied embeddings, no dropout. */
export function gpt2Model(size: {
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  maxSeqLen: number;
}): RecipeInput["model"] {
  return {
    family: "gpt2",
    ...size,
    intermediateSize: 4 * size.hiddenSize,
    norm: "layernorm",
    positions: "learned",
    activation: "gelu",
    bias: true,
    tieEmbeddings: true,
  };
}
