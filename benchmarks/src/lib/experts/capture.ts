import type { MicroBatch, Recipe } from "@cai/trainer";
import { type Exchange, type LearningModel, RankGroup } from "../rank-group.js";
import type { GradientPart } from "./gradient-parts.js";
import { type PartQuality, partQuality } from "./part-quality.js";

export interface CapturePlan {
  readonly model: LearningModel;
  readonly optim: Recipe["optim"];
  readonly ranks: number;
  readonly steps: number;
  /** Steps whose gradients are sent in every way and compared. */
  readonly moments: readonly number[];
  readonly nextBatches: () => readonly MicroBatch[];
  readonly learningRate: (step: number) => number;
  /** New for each moment: an exchange may remember. */
  readonly exchanges: Readonly<Record<string, () => Exchange>>;
  /** What to look at in the step that was just made on `batches`. */
  readonly parts: (batches: readonly MicroBatch[]) => readonly GradientPart[];
}

export interface Capture extends PartQuality {
  readonly step: number;
  readonly part: string;
  readonly exchange: string;
}

/** Trains on exact sums of the ranks' gradients, and at some moments sees what each exchange would have made of them. */
export function captureQuality(plan: CapturePlan): Capture[] {
  const { model, optim, ranks, exchanges } = plan;
  let seen: Float32Array[] = [];
  let wanted = false;
  const exactExchange: Exchange = (gradients) => {
    if (wanted) seen = gradients.map((gradient) => gradient.slice());
    const sum = exactSum(gradients);
    for (const gradient of gradients) gradient.set(sum);
  };
  const group = new RankGroup(model, { optim, ranks, exchange: exactExchange });
  const captures: Capture[] = [];
  for (let step = 1; step <= plan.steps; step++) {
    const batches = plan.nextBatches();
    wanted = plan.moments.includes(step);
    group.step(batches, plan.learningRate(step));
    if (!wanted) continue;
    const exact = exactSum(seen);
    const unit = group.adamUnit();
    const parts = plan.parts(batches);
    for (const [exchange, create] of Object.entries(exchanges)) {
      const sent = seen.map((gradient) => gradient.slice());
      create()(sent);
      for (const { name, ranges } of parts) {
        const quality = partQuality(exact, sent[0] as Float32Array, unit, ranges);
        captures.push({ step, part: name, exchange, ...quality });
      }
    }
  }
  return captures;
}

function exactSum(gradients: readonly Float32Array[]): Float64Array {
  const sum = new Float64Array(gradients[0]?.length ?? 0);
  for (const gradient of gradients) {
    gradient.forEach((value, i) => {
      sum[i] = (sum[i] as number) + value;
    });
  }
  return sum;
}
