import { parseRecipe } from "../../src/config/index.js";
import type { Recipe } from "../../src/config/recipe.js";

/** A model of a few thousand parameters, with anything changed that a test asks for. */
export function tinyRecipe(model: object = {}, others: object = {}): Recipe {
  return parseRecipe({
    name: "tiny",
    model: {
      family: "llama",
      vocabSize: 37,
      hiddenSize: 16,
      numLayers: 2,
      numHeads: 4,
      intermediateSize: 24,
      norm: "rmsnorm",
      positions: "rotary",
      maxSeqLen: 16,
      activation: "relu2",
      bias: false,
      tieEmbeddings: true,
      // Larger than usual, so that every part of so small a model matters to its loss.
      initStd: 0.3,
      ...model,
    },
    data: { dir: "unused", seqLen: 8 },
    batchSize: 3,
    steps: 10,
    optim: { lr: 1e-3 },
    schedule: { kind: "cosine", warmupSteps: 2 },
    evalEvery: 0,
    evalBatches: 0,
    checkpointEvery: 0,
    threads: 2,
    ...others,
  });
}

/** The architectures that between them reach every option of the model. */
export const architectures: Record<string, object> = {
  "GPT-2": { family: "gpt2", norm: "layernorm", positions: "learned", activation: "gelu", bias: true },
  Llama: { activation: "silu-gated", numKvHeads: 2, tieEmbeddings: false },
  "relu², multi-query, windowed": { numKvHeads: 1, window: 3, globalEvery: 2 },
  "QK-norm and soft-caps": { qkNorm: true, attentionSoftcap: 2, logitSoftcap: 3, headDim: 6 },
  "LayerNorm with biases, rotary, Llama names": { norm: "layernorm", bias: true, numKvHeads: 2 },
};
