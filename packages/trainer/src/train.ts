import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CaiError, threads } from "@cai/native";
import { discardCheckpointsAfter } from "./checkpoint/index.js";
import { parseRecipe, type Recipe, readRecipeFile } from "./config/index.js";
import { writeFileAtomically } from "./data/atomic-file.js";
import { BatchLoader, evalBatches, readManifest } from "./data/index.js";
import { evaluate } from "./evaluate.js";
import { finalFigures } from "./final-figures.js";
import { MetricsWriter, type RunSummary, writeReport } from "./metrics/index.js";
import { learningRate } from "./optim/schedule.js";
import { newestCheckpoint, requireNewFolder } from "./run-folder.js";
import { type MicroBatch, Trainer } from "./trainer.js";
import type { TrainEvent } from "./training-events.js";
import { type Counters, restoreTrainingState, saveTrainingState } from "./training-state.js";

/** A run to begin, or one to go on with; without a checkpoint yet, from its beginning. */
export type TrainJob =
  | { readonly kind: "new"; readonly recipe: Recipe; readonly runDir: string }
  | { readonly kind: "resume"; readonly runDir: string; readonly fallback: boolean };

export interface TrainHooks {
  onEvent?: (event: TrainEvent) => void;
  /** Asked after every step; true ends the run with a checkpoint. */
  shouldStop?: () => boolean;
}

/**
 * Trains a model from a recipe into a run folder, or goes on with a run: the whole loop.
 *
 * The folder receives recipe.json (as resolved), metrics.jsonl, checkpoints, and at the end summary.json and report.html.
 *
 * @throws CaiError `E_CONFIG`, `E_FORMAT`, `E_IO`; `E_DIVERGED` after more than `optim.maxSkippedSteps` steps in a row
 *   without a finite gradient.
 */
export async function train(job: TrainJob, hooks: TrainHooks = {}): Promise<RunSummary> {
  const { onEvent = () => {}, shouldStop = () => false } = hooks;
  const { runDir } = job;
  const began = performance.now();

  // The recipe, and where the run stands.
  const checkpoint = job.kind === "resume" ? await newestCheckpoint(runDir, job) : undefined;
  const recipe = job.kind === "new" ? job.recipe : (checkpoint?.recipe ?? recipeOfRun(runDir));
  if (job.kind === "new") requireNewFolder(runDir);
  let step = checkpoint?.step ?? 0;
  let directory = checkpoint?.dir;

  // Model, optimiser, data and counters, as they were.
  const trainer = new Trainer(recipe);
  const counters: Counters = { tokens: 0, skippedSteps: 0, skippedInARow: 0 };
  const state = checkpoint && (await restoreTrainingState(checkpoint, trainer, counters));
  const { data, batchSize } = recipe;
  requireVocabulary(recipe);
  const batches = new BatchLoader({ ...data, batchSize, seed: recipe.seed, ...(state && { state }) });
  const tokenizer = readFileSync(join(data.dir, "tokenizer.json"), "utf8");
  if (job.kind === "new") createRunFolder(runDir, recipe);
  else await discardCheckpointsAfter(runDir, step);
  const metrics = new MetricsWriter(runDir, step);
  const parameters = trainer.numParameters;
  onEvent({ type: "start", step, steps: recipe.steps, parameters, threads: threads() });

  const speeds: number[] = [];
  let trainLoss: number | undefined;
  let stopped = false;
  try {
    while (step < recipe.steps && !stopped) {
      step++;
      const stepBegan = performance.now();
      const lr = learningRate(recipe, step);
      const microBatches = Array.from({ length: recipe.gradAccumSteps }, () => batches.next());
      const { loss, gradNorm, skipped } = trainer.step(microBatches, lr);
      const lossTokens = count(counters, microBatches, skipped);
      if (counters.skippedInARow > recipe.optim.maxSkippedSteps) throw diverged(counters.skippedInARow, step);

      const stepTimeMs = performance.now() - stepBegan;
      const tokensPerSecond = (1000 * lossTokens) / stepTimeMs;
      speeds.push(tokensPerSecond);
      trainLoss = loss;
      stopped = shouldStop();
      const isLast = stopped || step === recipe.steps;

      const validation = isDue(step, recipe.evalEvery) ? validate(trainer) : {};
      const { tokens, skippedSteps } = counters;
      const line = { step, loss, ...validation, lr, gradNorm, tokensPerSecond, stepTimeMs, tokens, skippedSteps };
      if (isLast || "valLoss" in validation || isDue(step, recipe.logEvery)) metrics.write(line);
      onEvent({ type: "step", steps: recipe.steps, metrics: line });

      if (isLast || isDue(step, recipe.checkpointEvery)) {
        metrics.sync();
        directory = await saveTrainingState(runDir, step, { trainer, batches, counters, tokenizer });
        onEvent({ type: "checkpoint", step, directory });
      }
      await nextTurn();
    }
  } finally {
    metrics.close();
    batches.close();
  }

  // What the run came to.
  const finished = step === recipe.steps;
  if (finished) onEvent({ type: "finishing" });
  const speed = median(speeds);
  const summary: RunSummary = {
    name: recipe.name,
    finished,
    steps: step,
    parameters,
    tokens: counters.tokens,
    ...(trainLoss !== undefined && Number.isFinite(trainLoss) && { trainLoss }),
    ...(finished && finalFigures(trainer)),
    ...(speed !== undefined && { tokensPerSecond: speed }),
    seconds: (performance.now() - began) / 1000,
    skippedSteps: counters.skippedSteps,
    ...(directory !== undefined && { checkpoint: directory }),
  };
  writeFileAtomically(join(runDir, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
  writeReport(runDir, summary);
  return summary;
}

/** Validation loss over `evalBatches` batches of the recipe. */
function validate(trainer: Trainer): { valLoss?: number; valBitsPerByte?: number } {
  const { data, batchSize, evalBatches: maxBatches } = trainer.recipe;
  const some = maxBatches > 0 ? { maxBatches } : {};
  const { loss, bitsPerByte, tokens } = evaluate(trainer, evalBatches({ ...data, batchSize, ...some }));
  return tokens > 0 ? { valLoss: loss, valBitsPerByte: bitsPerByte } : {};
}

/** The recipe that a run's folder was begun with. */
function recipeOfRun(runDir: string): Recipe {
  return parseRecipe(readRecipeFile(join(runDir, "recipe.json")));
}

function createRunFolder(runDir: string, recipe: Recipe): void {
  mkdirSync(runDir, { recursive: true });
  writeFileAtomically(join(runDir, "recipe.json"), `${JSON.stringify(recipe, null, 2)}\n`);
}

function requireVocabulary({ model, data }: Recipe): void {
  const { vocabSize } = readManifest(data.dir).tokenizer;
  if (model.vocabSize >= vocabSize) return;
  const expected = `expected at least the ${vocabSize} ids of the tokenizer in ${data.dir}, got ${model.vocabSize}`;
  throw new CaiError("E_CONFIG", "recipe", `model.vocabSize: ${expected}`);
}

/** @returns the loss tokens of the step. */
function count(counters: Counters, microBatches: readonly MicroBatch[], skipped: boolean): number {
  const lossTokens = microBatches.reduce((sum, batch) => sum + batch.lossTokens, 0);
  counters.tokens += lossTokens;
  counters.skippedSteps += skipped ? 1 : 0;
  counters.skippedInARow = skipped ? counters.skippedInARow + 1 : 0;
  return lossTokens;
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function isDue(step: number, every: number): boolean {
  return every > 0 && step % every === 0;
}

function diverged(skippedInARow: number, step: number): CaiError {
  return new CaiError(
    "E_DIVERGED",
    "train",
    `${skippedInARow} steps in a row had a gradient that is not finite, the last at step ${step}: resume from an ` +
      "earlier checkpoint, or begin again with a lower optim.lr or more schedule.warmupSteps",
  );
}
