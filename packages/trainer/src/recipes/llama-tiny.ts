import type { RecipeInput } from "../config/recipe.js";
import type { RecipeParams } from "./params.js";

/** A small model in Llama's layout: RMSNorm, rotary positions, grouped queries, gated silu, free embeddings. */
export function llamaTiny({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "llama-tiny",
    model: {
      family: "llama",
      vocabSize: 4096,
      hiddenSize: 256,
      numLayers: 4,
      numHeads: 8,
      numKvHeads: 2,
      intermediateSize: 688,
      norm: "rmsnorm",
      positions: "rotary",
      maxSeqLen: 256,
      activation: "silu-gated",
      bias: false,
      tieEmbeddings: false,
    },
    data: { dir: dataDir, seqLen: 256 },
    batchSize: 8,
    steps: 1000,
    optim: { lr: 1e-3 },
    schedule: { kind: "cosine", warmupSteps: 100 },
    evalEvery: 250,
    evalBatches: 16,
    checkpointEvery: 250,
  };
}
