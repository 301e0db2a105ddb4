import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Communicator, launchedBy, openMpi, singleProcess } from "@cai/native";
import { randomInts } from "@cai/test-utils";
import { causalBatch, type MicroBatch } from "../../src/data/index.js";
import type { FlatRange } from "../../src/distributed/held-values.js";
import { type StepResult, Trainer } from "../../src/trainer.js";
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
  /** Leaves this step's micro-batches out and takes the next ones. */
  skipStep?: number;
  /** After this step, puts all state of the trainer into a new one, which goes on. */
  restartAfter?: number;
}

/** What a rank came to. Parameters and gradients are in the layout of the flat memory. */
export interface Report {
  rank: number;
  steps: StepResult[];
  /** Of all parameters' bits after each step. */
  hashes: string[];
  parameters: number[];
  /** What each step's gradient was before clipping. */
  gradients: number[][];
  residuals: Record<string, { ranges: FlatRange[]; values: number[] }>;
  momentLength: number;
  codecs?: Readonly<Record<string, string>>;
}

const seqLen = 8;

/** Micro-batch `index` of the run: the same whoever trains on it, with a share of ignored targets of its own. */
function microBatch(index: number, empty: readonly number[]): MicroBatch {
  const tokens = randomInts(3 * seqLen, 37, index);
  const targets = randomInts(3 * seqLen, 37, 1000 + index);
  targets.fill(-1, 0, empty.includes(index) ? targets.length : (index * 5) % 17);
  return causalBatch(tokens, targets, seqLen);
}

function hashOf(trainer: Trainer): string {
  const hash = createHash("sha256");
  for (const { data } of trainer.parameters().values()) hash.update(new Uint8Array(data.slice().buffer));
  return hash.digest("hex").slice(0, 16);
}

function trainRanks(scenario: Scenario, communicator: Communicator): Report {
  const { gradAccumSteps = 1, steps = 3, emptyMicroBatches = [], poison, restartAfter, skipStep } = scenario;
  const recipe = tinyRecipe(scenario.model, { distributed: scenario.distributed ?? {}, threads: 1 });
  const { rank, size } = communicator;
  const gradients: number[][] = [];
  const onGradients = () => gradients.push([...trainer.model.parameters.grads.data]);
  const make = () => new Trainer(recipe, { communicator, onGradients });
  let trainer = make();
  const results: StepResult[] = [];
  const hashes: string[] = [];
  for (let step = 0; step < steps; step++) {
    const dataStep = skipStep !== undefined && step >= skipStep ? step + 1 : step;
    const first = dataStep * gradAccumSteps * size;
    const batches = Array.from({ length: gradAccumSteps }, (_, i) =>
      microBatch(first + i * size + rank, emptyMicroBatches),
    );
    const gain = trainer.parameters().get("model.norm.weight")?.data as Float32Array;
    const healthy = gain[0] as number;
    if (poison?.step === step && poison.rank === rank) gain[0] = Number.NaN;
    results.push(trainer.step(batches));
    if (poison?.step === step && poison.rank === rank) gain[0] = healthy;
    hashes.push(hashOf(trainer));
    if (restartAfter === step) trainer = successor(trainer, make);
  }
  const parameters = [...trainer.model.parameters.values.data];
  const { local, shard, codecs } = trainer.exchangeState() ?? {};
  const residuals = Object.fromEntries(
    Object.entries({ local, shard }).flatMap(([kind, held]) =>
      held ? [[kind, { ranges: [...held.ranges], values: [...held.values] }]] : [],
    ),
  );
  const momentLength = trainer.optimizer.firstMoments.data.length;
  trainer.close();
  return { rank, steps: results, hashes, parameters, gradients, residuals, momentLength, ...(codecs && { codecs }) };
}

/** A new trainer with all that a checkpoint would hold of an old one. */
function successor(old: Trainer, make: () => Trainer): Trainer {
  const trainer = make();
  const [from, to] = [old.heldState(), trainer.heldState()];
  for (const [name, { data }] of trainer.parameters()) data.set(old.parameters().get(name)?.data ?? []);
  for (const name of ["firstMoments", "secondMoments", "local", "shard"] as const) {
    to[name]?.values.set(from[name]?.values ?? []);
  }
  trainer.adopt(old.exchangeState()?.codecs);
  // In a checkpoint the masters are the parameters; here each rank has its own at hand.
  if (from.masters) to.masters?.values.set(from.masters.values);
  trainer.optimizer.updates = old.optimizer.updates;
  old.close();
  return trainer;
}

/** Runs the scenarios of a list one after the other, and writes the reports, or a message in the place of one. */
function main([json = "[]", folder = "."]: readonly string[]): void {
  const communicator = launchedBy() ? openMpi({ timeoutMs: 20_000 }) : singleProcess();
  const reports = (JSON.parse(json) as Scenario[]).map((scenario) => {
    try {
      return trainRanks(scenario, communicator);
    } catch (error) {
      return String(error);
    }
  });
  writeFileSync(join(folder, `${communicator.rank}.json`), JSON.stringify(reports));
  communicator.close();
}

main(process.argv.slice(2));
