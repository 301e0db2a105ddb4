import type { RecipeInput } from "../config/recipe.js";
import type { RecipeParams } from "./params.js";

/**
 * The main job: 4.4 million parameters in the published architecture: decoder-only, pre-norm RMSNorm, rotary
 * positions, multi-query attention, a sliding window on five layers of six, squared relu, tied embeddings.
 *
 * The vocabulary is small because the text is: at about the same size and 600 steps each, 1,024 ids (feed-forward 1,024,
 * rate 4e-3) came to 1.71 bits per byte of validation text, 4,096 ids (768, 3e-3) to 1.77; one run each.
 */
export function start({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "start",
    model: {
      family: "llama",
      vocabSize: 1024,
      hiddenSize: 256,
      numLayers: 6,
      numHeads: 4,
      numKvHeads: 1,
      intermediateSize: 1024,
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
    steps: 800,
    optim: { lr: 4e-3 },
    schedule: { kind: "wsd", warmupSteps: 40, decaySteps: 300 },
    evalEvery: 200,
    evalBatches: 8,
    checkpointEvery: 200,
  };
}
