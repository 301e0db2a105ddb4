import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report, Scenario } from "../programs/train-ranks.js";
import { families, firstGradient, plain, type RankTrainer, rankTrainer } from "../support/train-ranks.js";

let ranks: RankTrainer;
beforeAll(async () => {
  ranks = await rankTrainer();
});
afterAll(() => ranks.remove());

describe.skipIf(families.length === 0)("what several ranks carry from step to step", () => {
  it("gives the same bits again, whatever the timing, and after a restart", async () => {
    const distributed = { ...plain, exchange: "squinch", rounding: "stochastic", errorFeedback: true };
    const same = { steps: 4, distributed };
    const { once, again, restarted, nearest } = await ranks.train(3, {
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
    const { exact, kept } = await ranks.run(2, {
      exact: { steps: 1, distributed: plain },
      kept: { steps: 1, distributed },
    });
    const reports = kept as Report[];
    const applied = firstGradient(reports[0] as Report);
    const lost = new Float64Array(applied.length);
    for (const { ranges, values } of reports.flatMap(({ residuals }) => Object.values(residuals))) {
      let offset = 0;
      for (const { begin, end } of ranges) {
        for (let i = begin; i < end; i++) lost[i] = (lost[i] as number) + (values[offset++] as number);
      }
    }
    const computed = firstGradient(exact[0] as Report);
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
    const reports = await ranks.train(2, Object.fromEntries<Scenario>(scenarios));
    for (const exchange of codecs) {
      const [poisoned, without] = ["poisoned", "without"].map((name) => reports[`${exchange}, ${name}`] as Report);
      expect(poisoned?.steps.map(({ skipped }) => skipped)).toEqual([false, true, false]);
      expect(poisoned?.hashes[1]).toBe(poisoned?.hashes[0]);
      expect(poisoned?.hashes[2]).toBe(without?.hashes[1]);
      expect(poisoned?.residuals).toEqual(without?.residuals);
    }
  });

  it("changes codecs by what the first rank measures, alike on all ranks, and goes on so after a restart", async () => {
    const model = { vocabSize: 300, hiddenSize: 32 };
    const distributed = { ...plain, exchange: "squinch", policy: "measured", policyEvery: 2, errorFeedback: true };
    const same = { model, distributed, steps: 5 };
    const { measured, restarted, uniform, sharded } = await ranks.train(2, {
      measured: same,
      restarted: { ...same, restartAfter: 2 },
      uniform: { ...same, distributed: { ...distributed, policy: "uniform" } },
      sharded: { ...same, distributed: { ...distributed, mode: "sharded" } },
    });
    // Few of its rows are in a batch, which `sqrt` is bad at.
    for (const { codecs } of [measured, sharded]) {
      expect(codecs?.["model.embed_tokens.weight"]).not.toBe("sqrt");
      expect(codecs?.["model.norm.weight"]).toBe("bf16");
    }
    expect(uniform.codecs).toBeUndefined();
    expect(measured.hashes).not.toEqual(uniform.hashes);
    expect(restarted.hashes).toEqual(measured.hashes);
    expect(restarted.codecs).toEqual(measured.codecs);
    expect(measured.steps.map(({ exchange }) => exchange?.quality !== undefined)).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
    const { quality } = measured.steps[2]?.exchange ?? {};
    expect(quality?.["model.embed_tokens.weight"]?.sqrt?.snrDb).toBeGreaterThan(20);
  });
});
