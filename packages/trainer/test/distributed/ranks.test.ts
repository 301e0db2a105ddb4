import { expectAllClose, type MpiFamily } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report, Scenario } from "../programs/train-ranks.js";
import { families, type RankTrainer, rankTrainer } from "../support/train-ranks.js";

let ranks: RankTrainer;
beforeAll(async () => {
  ranks = await rankTrainer();
});
afterAll(() => ranks.remove());

function withoutTime({ exchange, ...step }: Report["steps"][number]) {
  return step;
}

/** Runs scenarios on `size` ranks; of each, all ranks must have the same parameters, bit by bit, after every step. */
async function train<Name extends string>(size: number, scenarios: Record<Name, Scenario>, family?: MpiFamily) {
  const reports = await ranks.run(size, scenarios, family);
  const first = {} as Record<Name, Report>;
  for (const name of Object.keys(scenarios) as Name[]) {
    const [report, ...others] = reports[name] as [Report, ...Report[]];
    expect(report, String(report)).toBeTypeOf("object");
    for (const other of others) {
      expect(other.hashes).toEqual(report.hashes);
      expect(other.steps.map(withoutTime)).toEqual(report.steps.map(withoutTime));
    }
    first[name] = report;
  }
  return first;
}

const firstGradient = ({ gradients }: Report) => gradients[0] as number[];
const firstExchange = ({ steps }: Report) => steps[0]?.exchange ?? { bytesSent: 0, parameterBytesSent: 0 };

// A dozen buckets in a model of 4,256 values.
const bucketMiB = 1 / 512;
const plain = { bucketMiB };

describe.skipIf(families.length === 0)("training on several ranks", () => {
  it.each(families)("agrees with one rank that takes all micro-batches itself, over %s", async (family) => {
    // Every micro-batch has another share of targets without a loss; the third has no others.
    const common = { emptyMicroBatches: [2], distributed: plain };
    const { alone } = await train(1, { alone: { ...common, gradAccumSteps: 4 } }, family);
    const { four } = await train(4, { four: { ...common, gradAccumSteps: 1 } }, family);
    const { two } = await train(2, { two: { ...common, gradAccumSteps: 2 } }, family);
    expect(alone.steps[0]).not.toHaveProperty("exchange");
    const figures = ({ steps }: Report) =>
      steps.flatMap(({ loss, lossTokens, gradNorm }) => [loss, lossTokens, gradNorm]);
    for (const together of [four, two]) {
      // The same sums in another order.
      expectAllClose(figures(together), figures(alone), { rtol: 2e-6 });
      expectAllClose(firstGradient(together), firstGradient(alone), { rtol: 1e-4, atol: 1e-6 });
      // Adam's step is as long for a tiny gradient, which rounding may turn around.
      expectAllClose(together.parameters, alone.parameters, { rtol: 0, atol: 3e-3 });
    }
  });

  it("sums to the same sharded, with moments for a share only and parameters counted apart", async () => {
    const { whole, sharded } = await train(3, {
      whole: { distributed: plain },
      sharded: { distributed: { ...plain, mode: "sharded" } },
    });
    // The norm is added up shard by shard, so the factor that clips may differ in its last bit.
    expectAllClose(
      sharded.steps.map(({ gradNorm }) => gradNorm),
      whole.steps.map(({ gradNorm }) => gradNorm),
      { rtol: 1e-6 },
    );
    expectAllClose(sharded.parameters, whole.parameters, { rtol: 1e-5, atol: 1e-6 });
    expect(sharded.momentLength).toBeGreaterThan(4256 / 3 - 1);
    expect(sharded.momentLength).toBeLessThan(4256 / 2);
    const { bytesSent, parameterBytesSent } = firstExchange(sharded);
    expect(parameterBytesSent).toBe(bytesSent);
    expect(firstExchange(whole)).toMatchObject({ bytesSent: 2 * bytesSent, parameterBytesSent: 0 });
  });

  it("steps exact values where parameters travel as bf16, and computes with the same rounded ones everywhere", async () => {
    const sharded = { ...plain, mode: "sharded" };
    const rounding = { steps: 6, distributed: { ...sharded, parameterType: "bf16" } };
    const { exact, rounded, restarted } = await train(2, {
      exact: { steps: 6, distributed: sharded },
      rounded: rounding,
      restarted: { ...rounding, restartAfter: 2 },
    });
    const words = new Uint32Array(Float32Array.from(rounded.parameters).buffer);
    expect(words.every((word) => (word & 0xffff) === 0)).toBe(true);
    // Steps of 1e-3 would be lost in values that are rounded to 8 bits again and again.
    expectAllClose(rounded.parameters, exact.parameters, { rtol: 2 ** -8, atol: 3e-3 });
    expect(restarted.hashes).toEqual(rounded.hashes);
    const { bytesSent, parameterBytesSent } = firstExchange(rounded);
    expect(parameterBytesSent).toBe(bytesSent / 2);
  });

  it("sends bf16 and Squinch in the bytes that they take, near what float32 gives", async () => {
    const { exact, ...coded } = await train(4, {
      exact: { distributed: plain },
      bf16: { distributed: { ...plain, exchange: "bf16" } },
      squinch: { distributed: { ...plain, exchange: "squinch" } },
      adam: { distributed: { ...plain, exchange: "squinch", codebook: "adam" } },
    });
    const reference = firstGradient(exact);
    const relativeNoise = (report: Report) =>
      Math.hypot(...firstGradient(report).map((g, i) => g - (reference[i] as number))) / Math.hypot(...reference);
    const bits = { bf16: 16, squinch: 6, adam: 6 };
    // Two roundings to 8 bits; twice a signal-to-noise ratio of 26 dB, and of some 20 dB.
    const most = { bf16: 2 ** -7, squinch: 0.1, adam: 0.2 };
    for (const name of ["bf16", "squinch", "adam"] as const) {
      expect(firstExchange(coded[name]).bytesSent).toBe((firstExchange(exact).bytesSent * bits[name]) / 32);
      expect(relativeNoise(coded[name])).toBeLessThan(most[name]);
      expect(relativeNoise(coded[name])).toBeGreaterThan(0);
    }
  });

  it("gives the same bits again, whatever the timing, and after a restart", async () => {
    const distributed = { ...plain, exchange: "squinch", rounding: "stochastic", errorFeedback: true };
    const same = { steps: 4, distributed };
    const { once, again, restarted, nearest } = await train(3, {
      once: same,
      again: same,
      restarted: { ...same, restartAfter: 1 },
      nearest: { ...same, distributed: { ...distributed, rounding: "nearest" } },
    });
    expect(again.hashes).toEqual(once.hashes);
    expect(restarted.hashes).toEqual(once.hashes);
    expect(restarted.residuals).toEqual(once.residuals);
    expect(nearest.hashes).not.toEqual(once.hashes);
  });

  it("keeps what encodings lose: with it, what was applied makes up what was computed", async () => {
    const distributed = { ...plain, exchange: "squinch", errorFeedback: true };
    const { exact } = await train(2, { exact: { steps: 1, distributed: plain } });
    const { kept } = await ranks.run(2, { kept: { steps: 1, distributed } });
    const reports = kept as Report[];
    const applied = firstGradient(reports[0] as Report);
    const lost = new Float64Array(applied.length);
    for (const { ranges, values } of reports.flatMap(({ residuals }) => Object.values(residuals))) {
      let offset = 0;
      for (const { begin, end } of ranges) {
        for (let i = begin; i < end; i++) lost[i] = (lost[i] as number) + (values[offset++] as number);
      }
    }
    const computed = firstGradient(exact);
    // The same sums, rounded in other places.
    expectAllClose(
      applied.map((g, i) => g + (lost[i] as number)),
      computed,
      { rtol: 1e-5, atol: 1e-6 },
    );
    expect(Math.max(...applied.map((g, i) => Math.abs(g - (computed[i] as number))))).toBeGreaterThan(1e-3);
  });

  it("skips a step on all ranks where one is not finite, and goes on as if it had not been", async () => {
    const codecs = ["float32", "bf16", "squinch"];
    const scenarios = codecs.flatMap((exchange) => {
      const distributed = { ...plain, exchange, errorFeedback: exchange !== "float32" };
      return [
        [`${exchange}, poisoned`, { steps: 3, distributed, poison: { step: 1, rank: 1 } }],
        [`${exchange}, without`, { steps: 2, distributed, skipStep: 1 }],
      ] as const;
    });
    const reports = await train(2, Object.fromEntries<Scenario>(scenarios));
    for (const exchange of codecs) {
      const [poisoned, without] = ["poisoned", "without"].map((name) => reports[`${exchange}, ${name}`] as Report);
      expect(poisoned?.steps.map(({ skipped }) => skipped)).toEqual([false, true, false]);
      expect(poisoned?.hashes[1]).toBe(poisoned?.hashes[0]);
      expect(poisoned?.hashes[2]).toBe(without?.hashes[1]);
      expect(poisoned?.residuals).toEqual(without?.residuals);
    }
  });

  it("squinches only between nodes with two levels", async () => {
    const two = { ...plain, levels: 2, ranksPerNode: 2 };
    const squinch = { distributed: { ...two, exchange: "squinch", errorFeedback: true } };
    const { exact, float, coded, restarted, machine } = await train(4, {
      exact: { distributed: plain },
      float: { distributed: two },
      coded: squinch,
      restarted: { ...squinch, restartAfter: 0 },
      // All ranks are on this machine, so that there is one node.
      machine: { distributed: { ...squinch.distributed, ranksPerNode: 0 } },
    });
    // Sums of pairs of pairs instead of four in a row.
    expectAllClose(firstGradient(float), firstGradient(exact), { rtol: 1e-4, atol: 1e-6 });
    expect(firstGradient(coded)).not.toEqual(firstGradient(float));
    expect(restarted.hashes).toEqual(coded.hashes);
    expectAllClose(firstGradient(machine), firstGradient(exact), { rtol: 1e-4, atol: 1e-6 });
  });

  it("says why nodes of different sizes are refused, and a step without any loss token", async () => {
    const { uneven, empty } = await ranks.run(3, {
      uneven: { distributed: { levels: 2, ranksPerNode: 2 } },
      empty: { emptyMicroBatches: [3, 4, 5] },
    });
    for (const message of uneven) expect(message).toMatch(/E_CONFIG|as many ranks in every node, got 2, 1/);
    for (const message of empty) expect(message).toMatch("at least one target that is not -1");
  });
});
