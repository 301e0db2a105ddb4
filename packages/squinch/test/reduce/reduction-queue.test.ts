import { memoryRanks, randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { Gather, Reduction, ReductionQueue, Scatter, squinchCodec } from "../../src/index.js";
import { seedAt } from "../../src/reduce/seed-at.js";

const sizes = [100, 7, 64, 0, 333];

/** A queue over vectors of several lengths on each rank; residuals are kept twice. */
function queues(size: number, seed: number) {
  return memoryRanks(size, seed).map((comm) => {
    const [scatter, gather] = [comm.duplicate(), comm.duplicate()];
    const codec = squinchCodec();
    const pair = (length: number) => ({ current: new Float32Array(length), next: new Float32Array(length) });
    const vectors = sizes.map((n, i) => randomFloats(n, 10 * i + comm.rank));
    const reductions = vectors.map((values, bucket) => {
      const first = new Scatter(values, scatter, codec, { bucket, residual: pair(values.length) });
      const shard = pair(first.own.length);
      return new Reduction([first, new Gather(values, gather, codec, { bucket, phase: 1, residual: shard })]);
    });
    return { vectors, reductions, queue: new ReductionQueue(reductions) };
  });
}

type Rank = ReturnType<typeof queues>[number];

/** Lets ranks begin and poll at moments of their own until all is done. */
async function runAll(ranks: readonly Rank[], step: number, pace: (rank: number) => number): Promise<void> {
  await Promise.all(
    ranks.map(async ({ queue, reductions }, rank) => {
      queue.reset();
      while (queue.begun < sizes.length || !reductions.every(({ finished }) => finished)) {
        for (let i = pace(rank); i > 0 && queue.begun < sizes.length; i--) queue.beginNext(step);
        queue.poll();
        await new Promise((resolve) => setImmediate(resolve));
      }
      queue.finish();
    }),
  );
}

describe("ReductionQueue", () => {
  it("gives the same bits whatever the pace of ranks and operations", async () => {
    const outcomes = [];
    for (const seed of [1, 2, 3]) {
      const ranks = queues(3, seed);
      await runAll(ranks, 0, (rank) => ((rank + seed) % 3) + 1);
      for (const { vectors } of ranks) expect(vectors).toEqual(ranks[0]?.vectors);
      outcomes.push(ranks[0]?.vectors);
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
  });

  it("keeps residuals only when told to, and then uses them", async () => {
    const ranks = queues(2, 1);
    const inputs = ranks.map(({ vectors }) => vectors.map((values) => values.slice()));
    const residuals = () =>
      ranks.map(({ reductions }) => reductions.map(({ stages }) => stages.map((s) => s.residual?.slice())));
    const reset = () =>
      ranks.forEach(({ vectors }, rank) => {
        vectors.forEach((values, i) => {
          values.set(inputs[rank]?.[i] ?? []);
        });
      });
    const run = async () => {
      reset();
      await runAll(ranks, 0, () => 1);
      return ranks[0]?.vectors.map((values) => values.slice());
    };
    const before = residuals();
    const first = await run();
    expect(residuals()).toEqual(before);
    expect(await run()).toEqual(first);
    for (const { queue } of ranks) queue.commit();
    expect(residuals()).not.toEqual(before);
    expect(await run()).not.toEqual(first);
  });

  it("allocates no memory for what travels after it was made", async () => {
    const ranks = queues(2, 1);
    await runAll(ranks, 0, () => 2);
    const before = process.memoryUsage().arrayBuffers;
    for (let step = 1; step < 50; step++) await runAll(ranks, step, () => 2);
    // A view is small; the vectors of one step are 4 KiB on each rank.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4096);
  });
});

describe("seedAt", () => {
  it("tells every place from every other", () => {
    const numbers = [0, 1, 2, 3];
    const seeds = numbers.flatMap((rank) =>
      numbers.flatMap((bucket) =>
        numbers.flatMap((phase) =>
          numbers.flatMap((step) => [1, 2].map((seed) => seedAt(seed, step, { rank, bucket, phase }))),
        ),
      ),
    );
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(seeds.every(Number.isSafeInteger)).toBe(true);
    expect(seedAt(1, 0, { rank: 0, bucket: 0, phase: 0 })).toBe(seeds[0]);
  });
});
