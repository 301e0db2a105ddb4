import { existsSync } from "node:fs";
import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CaiRanks, families } from "../support/cai-ranks.js";
import { cai } from "../support/cli.js";

const ranks = new CaiRanks();
const short = ["steps=4", "schedule.decaySteps=1", "evalEvery=0"];
const tune = (run: string, ...settings: string[]) => [
  ...ranks.train(run, ...short, ...settings),
  ...["--from", ranks.at("base")],
];
beforeAll(async () => {
  await ranks.prepare();
  expect(await cai(ranks.train("base", "steps=8", "schedule.decaySteps=2", "evalEvery=0"))).toMatchObject({ code: 0 });
});
afterAll(() => ranks.remove());

describe.skipIf(families.length === 0)("a run of several ranks that begins with a checkpoint's weights", () => {
  it.each([
    ["replicated", []],
    ["sharded", ["distributed.mode=sharded"]],
  ])("has the losses of one rank, %s", async (mode, settings) => {
    expect(await cai(tune(`alone-${mode}`))).toMatchObject({ code: 0 });
    await ranks.succeed(tune(`two-${mode}`, "gradAccumSteps=1", ...settings), { size: 2 });
    // The same sums in another order.
    expectAllClose(ranks.losses(`two-${mode}`), ranks.losses(`alone-${mode}`), { rtol: 1e-6 });
  });

  it("is refused by all when a rank has another checkpoint", async () => {
    const fault = { rank: 1, argv: ["--set", `init.from=${ranks.checkpointPath("base", 5)}`] } as const;
    const ended = await ranks.launch(tune("refused"), { size: 2, fault });
    expect(ended.stderr).toMatch(/initial weights: step 8, [0-9a-f]{12} on rank 0; step 5, [0-9a-f]{12} on rank 1/);
    expect(existsSync(ranks.at("refused"))).toBe(false);
  });
});
