import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestFit, bestFitDecreasing } from "../../src/index.js";
import { NumberSet } from "../../src/pack/number-set.js";

/** The same by looking at every bin for every item. */
function naive(lengths: readonly number[], capacity: number, isSorted = true): number[][] {
  const bins: { room: number; touched: number; items: number[] }[] = [];
  const order = lengths
    .map((length, item) => ({ length, item }))
    .sort((a, b) => (isSorted ? b.length - a.length : 0) || a.item - b.item);
  for (const [time, { length, item }] of order.entries()) {
    const fitting = bins.filter(({ room }) => room >= length);
    let [bin] = fitting.sort((a, b) => a.room - b.room || b.touched - a.touched);
    if (!bin) {
      bin = { room: capacity, touched: 0, items: [] };
      bins.push(bin);
    }
    bin.room -= length;
    bin.touched = time;
    bin.items.push(item);
  }
  return bins.map(({ items }) => items);
}

const jobs = fc
  .integer({ min: 1, max: 3000 })
  .chain((capacity) =>
    fc.tuple(fc.constant(capacity), fc.array(fc.integer({ min: 0, max: capacity }), { maxLength: 200 })),
  );

describe("bestFitDecreasing", () => {
  it("puts the longest first, each where it leaves the least room", () => {
    expect(bestFitDecreasing([3, 7, 5, 2, 5], 10)).toEqual([[1, 0], [2, 4], [3]]);
    expect(bestFitDecreasing([2, 2, 2, 2], 4)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(bestFitDecreasing([], 4)).toEqual([]);
    expect(bestFit([3, 7, 5, 2, 5], 10)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("gives what looking at every bin gives, for any lengths", () => {
    fc.assert(
      fc.property(jobs, ([capacity, lengths]) => {
        expect(bestFitDecreasing(lengths, capacity)).toEqual(naive(lengths, capacity));
        expect(bestFit(lengths, capacity)).toEqual(naive(lengths, capacity, false));
      }),
    );
  });

  it("packs every item once and no bin beyond its capacity", () => {
    fc.assert(
      fc.property(jobs, ([capacity, lengths]) => {
        const bins = bestFitDecreasing(Uint32Array.from(lengths), capacity);
        expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, item) => item));
        for (const bin of bins) {
          expect(bin.length).toBeGreaterThan(0);
          expect(bin.reduce((sum, item) => sum + (lengths[item] as number), 0)).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  it("packs a hundred thousand items without looking at every bin", () => {
    const lengths = Uint32Array.from({ length: 100_000 }, (_, i) => 1 + ((Math.imul(i, 0x9e3779b1) >>> 0) % 700));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(bestFitDecreasing(lengths, 1024).length).toBeLessThan((total / 1024) * 1.01);
  });

  it.each([
    [[3, 5], 0, "capacity must be a whole number from 1 to 67108864, got 0"],
    [[3, 5], 2.5, "capacity must be"],
    [[3, 5], 4, "length 1 must be a whole number from 0 to 4, got 5"],
    [[3, -1], 4, "length 1 must be"],
    [[Number.NaN], 4, "length 0 must be"],
    [["3"], 4, 'length 0 must be a whole number from 0 to 4, got "3"'],
    [undefined, 4, "lengths must be an array, got undefined"],
  ])("refuses %j in bins of %d", (lengths, capacity, message) => {
    expect(() => bestFitDecreasing(lengths as number[], capacity)).toThrow(message);
  });
});

describe("NumberSet", () => {
  it.each([1, 31, 32, 33, 1024, 40_000])("finds the least member from a number on, up to %d", (most) => {
    const numbers = fc.array(fc.integer({ min: 0, max: most }), { maxLength: 30 });
    fc.assert(
      fc.property(numbers, numbers, (added, deleted) => {
        const set = new NumberSet(most);
        for (const value of added) set.add(value);
        for (const value of deleted) set.delete(value);
        const left = added.filter((value) => !deleted.includes(value));
        for (const from of [0, most, ...added, ...deleted, ...added.map((value) => value + 1)]) {
          const least = Math.min(...left.filter((value) => value >= from));
          expect(set.next(from)).toBe(Number.isFinite(least) ? least : -1);
        }
      }),
    );
  });
});
