import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Communicator, launchedBy, openMpi, singleProcess } from "@cai/native";
import { randomInts } from "@cai/test-utils";
import { type MicroBatch, type StepResult, Trainer } from "../../src/trainer.js";
import { tinyRecipe } from "../support/tiny-recipe.js";

/** What one rank is to do; the same for all. */
export interface Scenario {
  model?: object;
  distributed?: object;
  gradAccumSteps?: number;
  steps?: number;
  /** Targets that carry no loss: all of a micro-batch whose number is here. */
  emptyMicroBatches?: readonly number[];
  /** At this step one rank has a NaN in its parameters, which is then taken out again. */
  poison?: { step: number; rank: number };
  /** After this step, puts all state of the trainer into a new one, which goes on. */
  restartAfter?: number;
}

/** What a rank came to. */
export interface Report {
  rank: number;
  steps: StepResult[];
  /** Of all parameters' bits after each step. */
  hashes: string[];
  /** At the end, all tensors behind each other. */
  parameters: number[];
  /** What each step's gradient was before clipping. */
  gradients: number[][];
  /** What each kind of residual holds at the end. */
  residuals: Record<string, { ranges: unknown; values: number[] }>;
  momentLength: number;
}

const seqLen = 8;

/** Micro-batch `index` of the run: the same whoever trains on it, with a share of ignored targets of its own. */
function microBatch(index: number, empty: readonly number[]): MicroBatch {
  const tokens = randomInts(3 * seqLen, 37, index);
  const targets = randomInts(3 * seqLen, 37, 1000 + index);
  targets.fill(-1, 0, empty.includes(index) ? targets.length : (index * 5) % 17);
  return { tokens, targets, lossTokens: targets.filter((target) => target >= 0).length };
}

function hashOf(trainer: Trainer): string {
  const hash = createHash("sha256");
  for (const { data } of trainer.parameters().values()) hash.update(new Uint8Array(data.slice().buffer));
  return hash.digest("hex").slice(0, 16);
}

function trainRanks(scenario: Scenario, communicator: Communicator): Report {
  const { gradAccumSteps = 1, steps = 3, emptyMicroBatches = [], poison, restartAfter } = scenario;
  const recipe = tinyRecipe(scenario.model, { distributed: scenario.distributed ?? {}, threads: 1 });
  const { rank, size } = communicator;
  const gradients: number[][] = [];
  const make = () =>
    new Trainer(recipe, {
      communicator,
      onGradients: (tensors) => gradients.push([...tensors.values()].flatMap(({ data }) => [...data])),
    });
  let trainer = make();
  const results: StepResult[] = [];
  const hashes: string[] = [];
  for (let step = 0; step < steps; step++) {
    const first = step * gradAccumSteps * size;
    const batches = Array.from({ length: gradAccumSteps }, (_, i) =>
      microBatch(first + i * size + rank, emptyMicroBatches),
    );
    const gain = trainer.parameters().get("model.norm.weight")?.data as Float32Array;
    const healthy = gain[0] as number;
    if (poison?.step === step && poison.rank === rank) gain[0] = Number.NaN;
    results.push(trainer.step(batches));
    if (poison?.step === step && poison.rank === rank) gain[0] = healthy;
    hashes.push(hashOf(trainer));
    if (restartAfter === step) trainer = successor(trainer, make, communicator);
  }
  const parameters = [...trainer.fullState().parameters.values()].flatMap(({ data }) => [...data]);
  const { local, shard } = trainer.exchangeState() ?? {};
  const residuals = Object.fromEntries(
    Object.entries({ local, shard }).flatMap(([kind, held]) =>
      held ? [[kind, { ranges: held.ranges, values: [...held.values] }]] : [],
    ),
  );
  const momentLength = trainer.optimizer.firstMoments.data.length;
  trainer.close();
  return { rank, steps: results, hashes, parameters, gradients, residuals, momentLength };
}

/** A new trainer with all that a checkpoint would hold of an old one. */
function successor(old: Trainer, make: () => Trainer, { rank, size }: Communicator): Trainer {
  const [from, state] = [old.fullState(), old.exchangeState()];
  const { updates } = old.optimizer;
  const trainer = make();
  const to = trainer.fullState();
  for (const part of ["parameters", "firstMoments", "secondMoments"] as const) {
    for (const [name, { data }] of to[part]) data.set(from[part].get(name)?.data ?? []);
  }
  trainer.restoreFullState(to);
  trainer.optimizer.updates = updates;
  // Ranks do not see each other's states here, and with the same number of ranks each needs only its own.
  if (state) trainer.restoreExchangeState(Array.from({ length: size }, (_, other) => (other === rank ? state : {})));
  old.close();
  return trainer;
}

const [json = "{}", folder = "."] = process.argv.slice(2);
const scenario: Scenario = JSON.parse(json);
const communicator = launchedBy() ? openMpi({ timeoutMs: 20_000 }) : singleProcess();
const report = trainRanks(scenario, communicator);
writeFileSync(join(folder, `${report.rank}.json`), JSON.stringify(report));
communicator.close();
