import type { RecipeInput } from "../config/recipe.js";
import { gpt2Model } from "./gpt2.js";
import type { RecipeParams } from "./params.js";

/** The smaller model of the training bench: GPT-2's layout, 4.27 million parameters. */
export function gpt2S({ dataDir }: RecipeParams): RecipeInput {
  return {
    name: "gpt2-s",
    model: gpt2Model({ vocabSize: 4096, hiddenSize: 256, numLayers: 4, numHeads: 4, maxSeqLen: 256 }),
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
