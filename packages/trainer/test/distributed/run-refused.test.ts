import { existsSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CaiRanks, families, type RankFault } from "../support/cai-ranks.js";

const ranks = new CaiRanks();
beforeAll(() => ranks.prepare());
afterAll(() => ranks.remove());

/** Times that `pattern` was printed. */
const count = (text: string, pattern: RegExp) => [...text.matchAll(new RegExp(pattern, "g"))].length;

describe.skipIf(families.length === 0)("a run whose ranks cannot begin together", () => {
  it.each<[string, RankFault, RegExp]>([
    [
      "another recipe",
      { rank: 2, argv: ["--set", "optim.lr=0.5"] },
      /optim\.lr: 0\.003 on ranks 0 and 1; 0\.5 on rank 2/,
    ],
    [
      "another version",
      { rank: 1, version: "9.9.9" },
      /version of @cai\/trainer: \d[^\s;]* on ranks 0 and 2; 9\.9\.9 on rank 1/,
    ],
  ])("is refused by all for %s on one of them, which is named with the difference", async (_, fault, difference) => {
    const ended = await ranks.launch(ranks.train("refused"), { size: 3, fault });
    expect(count(ended.stderr, difference), ended.stderr).toBe(3);
    expect(ended.stdout).toBe("");
    expect(existsSync(ranks.at("refused"))).toBe(false);
    expect(ended.ms).toBeLessThan(20_000);
  });

  it.each<[string, RankFault, RegExp]>([
    ["a recipe that makes no sense", { rank: 1, argv: ["--set", "steps=none"] }, /steps: expected .*, got "none"/],
    ["data that are not there", { rank: 1, argv: ["--data", "nowhere"] }, /nowhere.*Run `cai prepare` first/],
  ])("is ended by all at once for %s on one of them, with its message", async (_, fault, message) => {
    const ended = await ranks.launch(ranks.train("refused"), { size: 3, fault });
    expect(count(ended.stderr, message), ended.stderr).toBe(3);
    expect(count(ended.stderr, /rank [02]: train: rank 1 failed: /)).toBe(2);
    expect(existsSync(ranks.at("refused"))).toBe(false);
  });

  it("is ended by all when the first cannot write", async () => {
    mkdirSync(ranks.at("blocked"));
    const fault = { rank: 0, act: "block", after: ranks.at("blocked", "metrics.jsonl") } as const;
    const ended = await ranks.launch(ranks.train("blocked"), { size: 2, fault });
    expect(count(ended.stderr, /rank 1: train: rank 0 failed: /), ended.stderr).toBe(1);
    expect(count(ended.stderr, /rank 0: checkpoint: /), ended.stderr).toBe(1);
  });
});
