// Usage: mpirun -np N node site-rank.js STEPS RECIPE     (RECIPE as JSON, as parseRecipe gives it)
// One rank of a few timed training steps on random tokens; rank 0 prints the times and what it sent.
import { openMpi } from "@cai/native";
import { randomInts } from "@cai/test-utils";
import { causalBatch, type Recipe, Trainer } from "@cai/trainer";
import { type SiteResult, warmUpSteps } from "../lib/experts/two-sites.js";

const steps = Number(process.argv[2]);
const recipe = JSON.parse(process.argv[3] ?? "") as Recipe;
const communicator = openMpi();
const trainer = new Trainer(recipe, { communicator });
const tokensPerStep = recipe.batchSize * recipe.data.seqLen;

const stepTimesMs: number[] = [];
let bytesSent = 0;
for (let step = 0; step < warmUpSteps + steps; step++) {
  const seed = 2 * (step * communicator.size + communicator.rank);
  const tokens = randomInts(tokensPerStep, recipe.model.vocabSize, seed);
  const targets = randomInts(tokensPerStep, recipe.model.vocabSize, seed + 1);
  communicator.barrier().wait();
  const began = performance.now();
  const { exchange } = trainer.step([causalBatch(tokens, targets, recipe.data.seqLen)]);
  if (step < warmUpSteps) continue;
  stepTimesMs.push(performance.now() - began);
  bytesSent += exchange?.bytesSent ?? 0;
}
trainer.close();
communicator.close();
if (communicator.rank === 0) {
  console.log(
    JSON.stringify({
      stepTimesMs,
      bytesSentPerStep: bytesSent / steps,
      parameters: trainer.numParameters,
    } satisfies SiteResult),
  );
}
