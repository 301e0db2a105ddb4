import { cpSync, rmSync } from "node:fs";
import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/index.js";
import { type FlatRange, lengthOf } from "../../src/distributed/held-values.js";
import { readResiduals } from "../../src/restore-held.js";
import { CaiRanks, families } from "../support/cai-ranks.js";

const ranks = new CaiRanks();
beforeAll(() => ranks.prepare());
afterAll(() => ranks.remove());

type Table = Record<"local" | "shard", FlatRange[][]>;
type Held = Record<"local" | "shard", { ranges: FlatRange[]; values: Float32Array }>;

/** A copy of a run as it was after its third step. */
function rewound(run: string, copy: string): string {
  cpSync(ranks.at(run), ranks.at(copy), { recursive: true });
  rmSync(ranks.checkpointPath(copy, 6), { recursive: true });
  return ranks.at(copy);
}

async function holdersIn(run: string, step: number): Promise<Table> {
  const { state } = await loadCheckpoint(ranks.checkpointPath(run, step));
  return (state as { exchange: { residuals: Table } }).exchange.residuals;
}

/** Reads a checkpoint's residuals as every rank of another number would. */
async function dealtOut(run: string, before: Table, after: Table): Promise<Held[]> {
  const checkpoint = await loadCheckpoint(ranks.checkpointPath(run, 3));
  const size = Math.max(after.local.length, after.shard.length);
  return await Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const holding = (name: "local" | "shard") => {
        const ranges = after[name][rank] ?? [];
        return { ranges, values: new Float32Array(lengthOf(ranges)) };
      };
      const held = { local: holding("local"), shard: holding("shard") };
      const trainer = { heldState: () => held, communicator: { rank } };
      await readResiduals(checkpoint, trainer as never, before, after);
      return held;
    }),
  );
}

/** Sums over ranks, element by element. */
function sums(all: readonly Held[], name: "local" | "shard"): number[] {
  const total: number[] = [];
  for (const { ranges, values } of all.map((held) => held[name])) {
    let offset = 0;
    for (const { begin, end } of ranges) {
      for (let i = begin; i < end; i++) total[i] = (total[i] ?? 0) + (values[offset++] as number);
    }
  }
  return total;
}

describe.skipIf(families.length === 0)("checkpoints of several ranks with residuals", () => {
  it.each([
    { mode: "replicated", size: 4, other: 2 },
    { mode: "sharded", size: 2, other: 3 },
  ])("resume $mode bit by bit on $size ranks, and on $other with the same sums of residuals", async (layout) => {
    const { mode, size, other } = layout;
    const settings = ["exchange=squinch", "errorFeedback=true", `mode=${mode}`].map((field) => `distributed.${field}`);
    const short = ["steps=6", "schedule.decaySteps=2", "checkpointEvery=3", "evalEvery=0"];
    await ranks.succeed(ranks.train(mode, ...short, ...settings), { size });
    await ranks.succeed(["resume", rewound(mode, `${mode}-again`), "--json"], { size });
    expect(ranks.losses(`${mode}-again`)).toEqual(ranks.losses(mode));
    expect(await ranks.digest(`${mode}-again`, 6)).toBe(await ranks.digest(mode, 6));

    await ranks.succeed(["resume", rewound(mode, `${mode}-other`), "--json"], { size: other });
    expect(ranks.summary(`${mode}-other`)).toMatchObject({ finished: true, ranks: other });
    const losses = ranks.losses(`${mode}-other`);
    expect(losses.slice(0, 3)).toEqual(ranks.losses(mode).slice(0, 3));
    expect(losses[5]).toBeLessThan(losses[2] as number);

    const before = await holdersIn(mode, 3);
    const after = await holdersIn(`${mode}-other`, 6);
    const [held, dealt] = [await dealtOut(mode, before, before), await dealtOut(mode, before, after)];
    expect(dealt).toHaveLength(other);
    for (const name of mode === "replicated" ? (["local", "shard"] as const) : (["local"] as const)) {
      const expected = sums(held, name);
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0);
      // Of four values two are added in float32.
      expectAllClose(sums(dealt, name), expected, { rtol: 1e-6, atol: 1e-9 });
    }
  });
});
