import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CaiError, threads } from "@cai/native";
import { stringify as toYaml } from "yaml";
import { discardCheckpointsAfter, type LoadedCheckpoint } from "./checkpoint/index.js";
import type { Recipe } from "./config/index.js";
import { BatchLoader, evalBatches } from "./data/index.js";
import { evaluate } from "./evaluate.js";
import { MetricsWriter } from "./metrics/index.js";
import { learningRate } from "./optim/schedule.js";
import { newestCheckpoint, requireNewFolder } from "./run-folder.js";
import { finishRun } from "./finish-run.js";
import { Trainer } from "./trainer.js";
import type { StepMetrics, TrainEvent, TrainSummary } from "./training-events.js";
import { type Counters, restoreTrainingState, saveTrainingState } from "./training-state.js";

/** A run to begin, or one to go on with. */
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
 * The folder receives recipe.yaml (as resolved), metrics.jsonl, checkpoints, and at the end report.html and summary.json.
 *
 * @throws CaiError `E_CONFIG`, `E_FORMAT`, `E_IO`; `E_DIVERGED` after `optim.maxSkippedSteps` steps in a row without a
 *   finite gradient.
 */
export async function train(job: TrainJob, { onEvent = () => {}, shouldStop = () => false }: TrainHooks = {}) {
  const { runDir } = job;
  const began = performance.now();

  // Set-up: recipe, model, data, and where the run stands.
  const checkpoint = job.kind === "resume" ? await newestCheckpoint(runDir, job) : undefined;
  const recipe = job.kind === "resume" ? (checkpoint as LoadedCheckpoint).recipe : job.recipe;
  if (job.kind === "new") createRunFolder(runDir, recipe);
  const trainer = new Trainer(recipe);
  const counters: Counters = { tokens: 0, skippedSteps: 0, skippedInARow: 0 };
  const dataState = checkpoint && (await restoreTrainingState(checkpoint, trainer, counters));
  const batches = BatchLoader.open(recipe, dataState);
  const tokenizer = readFileSync(join(recipe.data.dir, "tokenizer.json"), "utf8");
  const firstStep = (checkpoint?.step ?? 0) + 1;
  await discardCheckpointsAfter(runDir, firstStep - 1);
  const metrics = MetricsWriter.open(runDir, { afterStep: firstStep - 1 });
  const save = (step: number) => saveTrainingState(runDir, step, { trainer, batches, counters, tokenizer });

  const parameters = trainer.numParameters;
  onEvent({ type: "start", step: firstStep - 1, steps: recipe.steps, parameters, threads: threads() });

  const speeds: number[] = [];
  let step = firstStep - 1;
  let directory = checkpoint?.dir ?? "";
  let stopped = false;
  try {
    while (step < recipe.steps && !stopped) {
      step++;
      const stepBegan = performance.now();
      const lr = learningRate(recipe, step);
      const microBatches = Array.from({ length: recipe.gradAccumSteps }, () => batches.next());
      const result = trainer.step(microBatches, lr);
      const lossTokens = count(counters, microBatches, result.skipped);
      if (counters.skippedInARow > recipe.optim.maxSkippedSteps) throw diverged(counters.skippedInARow, step);

      const stepTimeMs = performance.now() - stepBegan;
      const speed = { stepTimeMs, tokensPerSecond: (1000 * lossTokens) / stepTimeMs };
      speeds.push(speed.tokensPerSecond);
      stopped = shouldStop();
      const valLoss = isDue(step, recipe.evalEvery) ? validate(trainer, recipe.evalBatches).loss : undefined;
      const line = stepMetrics({ step, lr, ...result, ...speed, ...counters, valLoss });
      if (stopped || step === recipe.steps || valLoss !== undefined || isDue(step, recipe.logEvery)) metrics.write(line);
      onEvent({ type: "step", steps: recipe.steps, metrics: line });

      if (stopped || step === recipe.steps || isDue(step, recipe.checkpointEvery)) {
        directory = await save(step);
        onEvent({ type: "checkpoint", step, directory });
      }
      await nextTurn();
    }
  } finally {
    metrics.close();
  }

  // What the run came to.
  const finished = step === recipe.steps;
  const summary: TrainSummary = {
    name: recipe.name,
    runDir,
    finished,
    steps: step,
    parameters,
    tokens: counters.tokens,
    skippedSteps: counters.skippedSteps,
    checkpoint: directory,
    ...(finished && (await finalFigures(trainer))),
    tokensPerSecond: median(speeds),
    seconds: (performance.now() - began) / 1000,
  };
  writeSummary(runDir, summary);
  await writeReport(runDir);
  return summary;
}

function createRunFolder(runDir: string, recipe: Recipe): void {
  requireNewFolder(runDir);
  mkdirSync(runDir, { recursive: true });
  writeFileAtomically(join(runDir, "recipe.yaml"), toYaml(recipe));
}

/** @returns the loss tokens of the step. */
function count(counters: Counters, microBatches: readonly MicroBatch[], skipped: boolean): number {
  const lossTokens = microBatches.reduce((sum, batch) => sum + batch.lossTokens, 0);
  counters.tokens += lossTokens;
  counters.skippedSteps += skipped ? 1 : 0;
  counters.skippedInARow = skipped ? counters.skippedInARow + 1 : 0;
  return lossTokens;
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
