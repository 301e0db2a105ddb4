import type { RecipeInput } from "../config/recipe.js";
import type { RecipeParams } from "./params.js";

/**
 * The main job: 4.4 million parameters in the published architecture: decoder-only, pre-norm RMSNorm, rotary
 * positions, multi-query attention, a sliding window on five layers of six, squared relu, tied embeddings.
 */
export function start({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "start",
    model: {
      family: "llama",
      vocabSize: 4096,
      hiddenSize: 256,
      numLayers: 6,
      numHeads: 4,
      numKvHeads: 1,
      intermediateSize: 768,
      norm: "rmsnorm",
      positions: "rotary",
      maxSeqLen: 256,
      activation: "relu2",
      bias: false,
      tieEmbeddings: true,
      window: 128,
      globalEvery: 6,
    },
    data: { dir: dataDir, seqLen: 256 },
    batchSize: 8,
    steps: 400,
    optim: { lr: 2e-3 },
    schedule: { kind: "wsd", warmupSteps: 20, decaySteps: 120 },
    evalEvery: 100,
    evalBatches: 8,
    checkpointEvery: 100,
  };
}
