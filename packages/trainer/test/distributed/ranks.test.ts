import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report, Scenario } from "../programs/train-ranks.js";
import { families, type RankTrainer, rankTrainer } from "../support/train-ranks.js";

let ranks: RankTrainer;
beforeAll(async () => {
  ranks = await rankTrainer();
});
afterAll(() => ranks.remove());

/** Asserts what holds of every run: all ranks have the same parameters, bit by bit, after every step. */
function requireReplicas(reports: readonly Report[]): Report {
  const [first, ...others] = reports as [Report, ...Report[]];
  for (const other of others) expect(other.hashes).toEqual(first.hashes);
  return first;
}

async function train(size: number, scenario: Scenario, family?: (typeof families)[number]): Promise<Report> {
  return requireReplicas(await ranks.run(size, scenario, family));
}

// A dozen buckets in a model of 4,256 values.
const bucketMiB = 1 / 512;

describe.skipIf(families.length === 0)("training on several ranks", () => {
  it.each(families)("agrees with one rank that takes all micro-batches itself, over %s", async (family) => {
    const alone = await train(1, { gradAccumSteps: 4, emptyMicroBatches: [2] }, family);
    expect(alone.steps[0]).not.toHaveProperty("exchange");
    for (const [size, gradAccumSteps] of [
      [4, 1],
      [2, 2],
    ] as const) {
      const scenario = { gradAccumSteps, emptyMicroBatches: [2], distributed: { bucketMiB } };
      const together = await train(size, scenario, family);
      const figures = ({ steps }: Report) => steps.flatMap(({ loss, lossTokens, gradNorm }) => [loss, lossTokens, gradNorm]);
      // The same sums in another order.
      expectAllClose(figures(together), figures(alone), { rtol: 2e-6 });
      expectAllClose(together.gradients[0] ?? [], alone.gradients[0] ?? [], { rtol: 1e-4, atol: 1e-6 });
      // A step of Adam is as long for a tiny gradient, whose rounding may turn it around.
      expectAllClose(together.parameters, alone.parameters, { atol: 3e-3 });
    }
  });
});
