import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CaiRanks, families } from "../support/cai-ranks.js";
import { cai } from "../support/cli.js";

const ranks = new CaiRanks();
beforeAll(() => ranks.prepare());
afterAll(() => ranks.remove());

const types = (records: readonly Record<string, unknown>[]) => records.map(({ type }) => type);

describe.skipIf(families.length === 0)("cai train on several ranks", () => {
  it.each(families)("has the losses of one rank, printed and written by the first alone, over %s", async (family) => {
    const short = ["steps=6", "schedule.decaySteps=2", "evalEvery=3"];
    const alone = `alone-${family}`;
    const four = `four-${family}`;
    expect(await cai(ranks.train(alone, ...short, "gradAccumSteps=4"))).toMatchObject({ code: 0 });
    const ended = await ranks.succeed(ranks.train(four, ...short, "gradAccumSteps=1", "threads=0"), {
      size: 4,
      family,
    });
    expect(types(ended.records)).toEqual([
      ...["start", "step", "step", "step", "step", "step", "checkpoint", "step", "checkpoint", "finishing", "summary"],
    ]);
    // The same sums in another order.
    expectAllClose(ranks.losses(four), ranks.losses(alone), { rtol: 1e-6 });
    const figures = (run: string) => {
      const { valLoss, bitsPerByte } = ranks.summary(run) as { valLoss: number; bitsPerByte: number };
      return [valLoss, bitsPerByte];
    };
    expectAllClose(figures(four), figures(alone), { rtol: 1e-6 });
    expect(readdirSync(ranks.at(four)).sort()).toEqual(readdirSync(ranks.at(alone)).sort());
    expect(ranks.summary(four)).toMatchObject({ ranks: 4, exchange: { type: "float32", mode: "replicated" } });

    expect(ended.records[0]).toMatchObject({ ranks: 4, threads: Math.max(1, Math.floor(availableParallelism() / 4)) });
  });

  it("stops all ranks after the same step when one gets Ctrl-C, and resumes to the same end", async () => {
    const long = ["steps=60"];
    const fault = { rank: 1, act: "SIGINT", after: ranks.checkpointPath("stopped", 5) } as const;
    const stopped = await ranks.launch(ranks.train("stopped", ...long), { size: 2, fault });
    const last = stopped.records.at(-1) as { steps: number };
    expect(last).toMatchObject({ type: "summary", finished: false });
    expect(stopped.records.at(-2)).toMatchObject({ type: "checkpoint", step: last.steps });
    await ranks.succeed(["resume", ranks.at("stopped"), "--json"], { size: 2 });
    await ranks.succeed(ranks.train("not-stopped", ...long), { size: 2 });
    expect(ranks.losses("stopped")).toEqual(ranks.losses("not-stopped"));
    expect(await ranks.digest("stopped", 60)).toBe(await ranks.digest("not-stopped", 60));
  });
});
