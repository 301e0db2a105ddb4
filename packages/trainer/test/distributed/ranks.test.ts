import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../programs/train-ranks.js";
import { families, firstGradient, plain, type RankTrainer, rankTrainer } from "../support/train-ranks.js";

let ranks: RankTrainer;
beforeAll(async () => {
  ranks = await rankTrainer();
});
afterAll(() => ranks.remove());

const firstExchange = ({ steps }: Report) => steps[0]?.exchange ?? { bytesSent: 0, parameterBytesSent: 0 };

describe.skipIf(families.length === 0)("training on several ranks", () => {
  it("agrees with one rank that takes all micro-batches itself, over any MPI", async () => {
    // Every micro-batch has another share of targets without a loss; the third has no others.
    const common = { emptyMicroBatches: [2], distributed: plain };
    const { alone } = await ranks.train(1, { alone: { ...common, gradAccumSteps: 4 } });
    expect(alone.steps[0]).not.toHaveProperty("exchange");
    const four = await Promise.all(families.map((family) => ranks.train(4, { four: common }, family)));
    const { two } = await ranks.train(2, { two: { ...common, gradAccumSteps: 2 } });
    const figures = ({ steps }: Report) =>
      steps.flatMap(({ loss, lossTokens, gradNorm }) => [loss, lossTokens, gradNorm]);
    for (const together of [two, ...four.map((reports) => reports.four)]) {
      // The same sums in another order.
      expectAllClose(figures(together), figures(alone), { rtol: 2e-6 });
      expectAllClose(firstGradient(together), firstGradient(alone), { rtol: 1e-4, atol: 1e-6 });
      // Adam's step is as long for a tiny gradient, which rounding may turn around.
      expectAllClose(together.parameters, alone.parameters, { rtol: 0, atol: 3e-3 });
    }
    for (const reports of four) expect(reports.four.hashes).toEqual(four[0]?.four.hashes);
  });

  it("sums to the same sharded, with moments for a share only and parameters counted apart", async () => {
    const { whole, sharded } = await ranks.train(3, {
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
    const { exact, rounded, restarted } = await ranks.train(2, {
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
    const { exact, ...coded } = await ranks.train(4, {
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

  it("squinches only between nodes with two levels", async () => {
    const two = { ...plain, levels: 2, ranksPerNode: 2 };
    const squinch = { distributed: { ...two, exchange: "squinch", errorFeedback: true } };
    const { exact, float, coded, restarted, machine } = await ranks.train(4, {
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
