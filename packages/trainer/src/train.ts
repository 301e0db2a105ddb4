import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CaiError, type Communicator, setThreads, singleProcess, threads } from "@cai/native";
import { discardCheckpointsAfter } from "./checkpoint/index.js";
import type { Recipe } from "./config/index.js";
import { BatchLoader, evalBatches, readManifest, usedPositions } from "./data/index.js";
import { ExchangeFigures } from "./distributed/exchange-figures.js";
import { shakeHands } from "./distributed/handshake.js";
import { gatherHolders } from "./distributed/held-state.js";
import { broadcastJson } from "./distributed/messages.js";
import { ledByRankZero } from "./distributed/rank-zero.js";
import { takeTurns, threadShare } from "./distributed/shares.js";
import { together } from "./distributed/together.js";
import { evaluate } from "./evaluate.js";
import { finalFigures } from "./final-figures.js";
import { MetricsWriter, type RunSummary, writeReport, writeSummary } from "./metrics/index.js";
import { learningRate } from "./optim/schedule.js";
import { createRunFolder, newRunDirectory } from "./run-folder.js";
import { openRun } from "./run-start.js";
import { type StepResult, Trainer } from "./trainer.js";
import type { TrainEvent } from "./training-events.js";
import { type Counters, loadWeights, restoreTrainingState, saveTrainingState } from "./training-state.js";

/** A run to begin, or one to go on with; without a checkpoint yet, from its beginning. */
export type TrainJob =
  /** A folder is named by the recipe and the time when it is not given. */
  | { readonly kind: "new"; readonly recipe: Recipe; readonly runDir?: string }
  | { readonly kind: "resume"; readonly runDir: string; readonly fallback: boolean };

export interface TrainHooks {
  /** Called on the first rank only. */
  onEvent?: (event: TrainEvent) => void;
  /** Asked after every step; true on any rank ends the run on all, after the same step and with a checkpoint. */
  shouldStop?: () => boolean;
  /** The ranks that train together, each of which calls this function; this process alone by default. */
  communicator?: Communicator;
}

/**
 * Trains a model from a recipe into a run folder, or goes on with a run: the whole loop.
 *
 * The folder receives recipe.json (as resolved), metrics.jsonl, checkpoints, and at the end summary.json and report.html.
 * Of several ranks the first writes them all; what is wrong on one of them ends the run on all.
 *
 * @returns what the run came to; the baselines and the sample on the first rank only.
 * @throws CaiError `E_CONFIG`, `E_FORMAT`, `E_IO`; `E_DIVERGED` after more than `optim.maxSkippedSteps` steps in a row
 *   without a finite gradient; `E_COMM` when another rank died or hung.
 */
export async function train(job: TrainJob, hooks: TrainHooks = {}): Promise<RunSummary> {
  const { shouldStop = () => false, communicator: ranks = singleProcess() } = hooks;
  const isFirst = ranks.rank === 0;
  const onEvent = (isFirst && hooks.onEvent) || (() => {});
  const began = performance.now();

  // The recipe, and where the run stands: the same on every rank, or none begins.
  const { recipe, checkpoint, initial } = await together(ranks, () => openRun(job, isFirst));
  await shakeHands(ranks, { kind: job.kind, recipe, checkpoint, initial });
  const runDir = await broadcastJson(ranks, job.runDir ?? newRunDirectory(recipe.name));
  let step = checkpoint?.step ?? 0;
  let directory = checkpoint?.dir;

  // Model, optimiser, data and counters, as they were; or new ones, around weights from elsewhere.
  const trainer = new Trainer(recipe, { communicator: ranks });
  const holders = await gatherHolders(ranks, trainer.heldState());
  if (recipe.threads === 0) setThreads(await threadShare(ranks));
  const counters: Counters = { tokens: 0, skippedSteps: 0, skippedInARow: 0 };
  const { data, batchSize } = recipe;
  const { batches, codecs, tokenizer, chat, metrics } = await together(ranks, async () => {
    const restored = checkpoint && (await restoreTrainingState(checkpoint, { trainer, holders, counters }));
    if (initial) await loadWeights(initial, trainer.parameters());
    const position = restored && { state: restored.data };
    const loader = new BatchLoader({ ...data, batchSize, seed: recipe.seed, ...position });
    if (isFirst && job.kind === "new") createRunFolder(runDir, recipe);
    if (isFirst && job.kind === "resume") await discardCheckpointsAfter(runDir, step);
    return {
      batches: loader,
      codecs: restored?.codecs,
      tokenizer: readFileSync(join(data.dir, "tokenizer.json"), "utf8"),
      chat: readManifest(data.dir).chat,
      metrics: isFirst ? new MetricsWriter(runDir, step) : undefined,
    };
  });
  if (checkpoint || initial) trainer.adopt(codecs);
  const parameters = trainer.numParameters;
  const place = { runDir, step, steps: recipe.steps, ...(initial && { initial: initial.dir }) };
  onEvent({ type: "start", ...place, parameters, threads: threads(), ranks: ranks.size });

  const speeds: number[] = [];
  const positions = { used: 0, all: 0 };
  const exchanged = new ExchangeFigures();
  let trainLoss: number | undefined;
  let stopped = false;
  try {
    while (step < recipe.steps && !stopped) {
      step++;
      const stepBegan = performance.now();
      const lr = learningRate(recipe, step);
      const microBatches = takeTurns(batches, ranks, recipe.gradAccumSteps);
      const result = trainer.step(microBatches, lr, () => (shouldStop() ? 1 : 0));
      const { loss, gradNorm, lossTokens } = result;
      count(counters, result);
      for (const batch of microBatches) {
        positions.used += usedPositions(batch);
        positions.all += batch.tokens.length;
      }
      if (counters.skippedInARow > recipe.optim.maxSkippedSteps) throw diverged(counters.skippedInARow, step);

      const stepTimeMs = performance.now() - stepBegan;
      const tokensPerSecond = (1000 * lossTokens) / stepTimeMs;
      speeds.push(tokensPerSecond);
      trainLoss = loss;
      stopped = result.notes.some((note) => note !== 0);
      const isLast = stopped || step === recipe.steps;

      const validation = isDue(step, recipe.evalEvery) ? validate(trainer) : {};
      const { tokens, skippedSteps } = counters;
      const figures = { tokensPerSecond, stepTimeMs, ...exchanged.add(result.exchange), tokens, skippedSteps };
      const line = { step, loss, ...validation, lr, gradNorm, ...figures };
      if (isLast || "valLoss" in validation || isDue(step, recipe.logEvery)) metrics?.write(line);
      onEvent({ type: "step", steps: recipe.steps, metrics: line });

      if (isLast || isDue(step, recipe.checkpointEvery)) {
        metrics?.sync();
        const parts = { trainer, holders, batches, counters, tokenizer, chat };
        directory = await saveTrainingState(runDir, step, parts);
        if (directory !== undefined) onEvent({ type: "checkpoint", step, directory });
      }
      await nextTurn();
    }
  } finally {
    metrics?.close();
    batches.close();
  }

  // What the run came to.
  const finished = step === recipe.steps;
  if (finished) onEvent({ type: "finishing" });
  const final = finished ? await finalFigures(trainer) : {};
  const speed = median(speeds);
  const summary: RunSummary = {
    name: recipe.name,
    finished,
    steps: step,
    parameters,
    tokens: counters.tokens,
    ...(trainLoss !== undefined && Number.isFinite(trainLoss) && { trainLoss }),
    ...final,
    ...(positions.all > 0 && { usedShare: positions.used / positions.all }),
    ...(speed !== undefined && { tokensPerSecond: speed }),
    ...(ranks.size > 1 && { ranks: ranks.size, exchange: exchanged.summary(recipe.distributed) }),
    seconds: (performance.now() - began) / 1000,
    skippedSteps: counters.skippedSteps,
    ...(directory !== undefined && { checkpoint: directory }),
  };
  await ledByRankZero(ranks, recipe.distributed, () => {
    writeSummary(runDir, summary);
    writeReport(runDir, summary);
  });
  return summary;
}

/** Validation loss over `evalBatches` batches of the recipe, shared out among the ranks. */
function validate(trainer: Trainer): { valLoss?: number; valBitsPerByte?: number } {
  const { data, batchSize, evalBatches: maxBatches } = trainer.recipe;
  const some = maxBatches > 0 ? { maxBatches } : {};
  const ours = evalBatches({ ...data, batchSize, ...some, share: trainer.communicator });
  const { loss, bitsPerByte, tokens } = evaluate(trainer, ours);
  return tokens > 0 ? { valLoss: loss, valBitsPerByte: bitsPerByte } : {};
}

function count(counters: Counters, { lossTokens, skipped }: StepResult): void {
  counters.tokens += lossTokens;
  counters.skippedSteps += skipped ? 1 : 0;
  counters.skippedInARow = skipped ? counters.skippedInARow + 1 : 0;
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
