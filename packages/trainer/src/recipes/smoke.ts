import type { RecipeInput } from "../config/recipe.js";
import type { RecipeParams } from "./params.js";

/** Proves the path in seconds: a model of a few thousand parameters with every feature of `start`. */
export function smoke({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "smoke",
    model: {
      family: "llama",
      vocabSize: 320,
      hiddenSize: 32,
      numLayers: 2,
      numHeads: 4,
      numKvHeads: 1,
      intermediateSize: 64,
      norm: "rmsnorm",
      positions: "rotary",
      maxSeqLen: 32,
      activation: "relu2",
      bias: false,
      tieEmbeddings: true,
      window: 16,
      globalEvery: 2,
    },
    data: { dir: dataDir, seqLen: 32 },
    batchSize: 4,
    gradAccumSteps: 2,
    steps: 20,
    optim: { lr: 3e-3 },
    schedule: { kind: "wsd", warmupSteps: 2, decaySteps: 5 },
    evalEvery: 10,
    evalBatches: 2,
    checkpointEvery: 5,
  };
}
