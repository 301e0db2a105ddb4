// Usage: node train-ours.js S|M
// Our side of the train bench, in a process of its own: reads {"steps": N} a line, answers as lib/stepper.ts says.
import { createInterface } from "node:readline";
import { randomInts } from "@cai/test-utils";
import { causalBatch, Trainer } from "@cai/trainer";
import { type BenchModel, benchRecipe } from "../lib/models.js";
import type { StepReply, StepRequest } from "../lib/stepper.js";

const recipe = benchRecipe(process.argv[2] as BenchModel["size"]);
const trainer = new Trainer(recipe);
const tokensPerStep = recipe.batchSize * recipe.data.seqLen;
let seed = 0;

function timedStep(): { stepTimeMs: number; loss: number } {
  const tokens = randomInts(tokensPerStep, recipe.model.vocabSize, seed++);
  const targets = randomInts(tokensPerStep, recipe.model.vocabSize, seed++);
  const start = performance.now();
  const { loss } = trainer.step([causalBatch(tokens, targets, recipe.data.seqLen)]);
  return { stepTimeMs: performance.now() - start, loss };
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

say({ ready: true, parameters: trainer.numParameters });
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line) as StepRequest;
  const done = Array.from({ length: steps }, timedStep);
  say({
    stepTimesMs: done.map(({ stepTimeMs }) => stepTimeMs),
    losses: done.map(({ loss }) => loss),
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  } satisfies StepReply);
}
