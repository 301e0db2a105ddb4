import { createHash } from "node:crypto";
import { type Communicator, openMpi, singleProcess } from "@cai/native";
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
  /** Saves what the exchange carries after this step, and goes on in a new trainer. */
  restartAfter?: number;
}

/** What a rank came to. */
export interface Report {
  rank: number;
  steps: StepResult[];
  /** Of all parameters' bits after each step. */
  hashes: string[];
  parameters: Record<string, number[]>;
  /** Buckets that had begun when each last backward pass ended, and how many there are. */
  begun: number[];
  buckets: number;
  /** Sum and length of the residuals. */
  residuals: Record<string, { sum: number; length: number }>;
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

export function trainRanks(scenario: Scenario, communicator: Communicator): Report {
  const { gradAccumSteps = 1, steps = 3, emptyMicroBatches = [], poison, restartAfter } = scenario;
  const recipe = tinyRecipe(scenario.model, { distributed: scenario.distributed ?? {}, threads: 1 });
  const { rank, size } = communicator;
  let trainer = new Trainer(recipe, { communicator });
  const report: Report = {
    rank,
    steps: [],
    hashes: [],
    parameters: {},
    begun: [],
    buckets: 0,
    residuals: {},
    momentLength: trainer.optimizer.firstMoments.data.length,
  };
  for (let step = 0; step < steps; step++) {
    const first = step * gradAccumSteps * size;
    const batches = Array.from({ length: gradAccumSteps }, (_, i) =>
      microBatch(first + i * size + rank, emptyMicroBatches),
    );
    const poisoned = trainer.parameters().get("model.norm.weight")?.data as Float32Array;
    const healthy = poisoned[0] as number;
    if (poison?.step === step && poison.rank === rank) poisoned[0] = Number.NaN;
    report.steps.push(trainer.step(batches));
    if (poison?.step === step) poisoned[0] = healthy;
    report.hashes.push(hashOf(trainer));
    if (restartAfter === step) trainer = restarted(trainer, communicator);
  }
  for (const [name, { data }] of trainer.parameters()) report.parameters[name] = [...data];
  trainer.close();
  return report;
}

function restarted(trainer: Trainer, communicator: Communicator): Trainer {
  throw new Error("not yet");
}

const [json] = process.argv.slice(2);
if (json !== undefined) {
  const scenario = JSON.parse(json) as Scenario & { single?: boolean };
  const communicator = scenario.single ? singleProcess() : openMpi({ timeoutMs: 20_000 });
  const report = trainRanks(scenario, communicator);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  communicator.close();
}
