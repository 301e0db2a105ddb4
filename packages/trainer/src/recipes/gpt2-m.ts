import type { RecipeInput } from "../config/recipe.js";
import { gpt2Model } from "./gpt2.js";
import type { RecipeParams } from "./params.js";

/** The larger model of the training bench: GPT-2's layout, 13.9 million parameters. */
export function gpt2M({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "gpt2-m",
    model: gpt2Model({ vocabSize: 8192, hiddenSize: 384, numLayers: 6, numHeads: 6, maxSeqLen: 256 }),
    data: { dir: dataDir, seqLen: 256 },
    batchSize: 8,
    steps: 2000,
    optim: { lr: 6e-4 },
    schedule: { kind: "cosine", warmupSteps: 200 },
    evalEvery: 500,
    evalBatches: 16,
    checkpointEvery: 500,
  };
}
