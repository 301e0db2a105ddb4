import { expectAllClose, finiteDifference, randomFloats, randomInts, stridedRows } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crossEntropyBackward, crossEntropyForward, floatTensor, intTensor } from "../js/index.js";
import { withThreads } from "./with-threads.js";

const rowOf = (data: ArrayLike<number>, row: number, columns: number) =>
  Array.from({ length: columns }, (_, c) => data[row * columns + c] as number);

/** In doubles, straight from the definition. */
function logSumExp(row: number[]): number {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return Number.isFinite(most) ? most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) : most;
}

/** Goes through the vocabulary in chunks of `chunk` columns, each laid out by itself. */
function run(logits: Float32Array, targets: Int32Array, columns: number, chunk = columns) {
  const rows = targets.length;
  const lse = new Float32Array(rows).fill(-Infinity);
  const targetLogit = new Float32Array(rows);
  const one = new Float32Array(rows).map((_, r) => 0.5 + r);
  const chunks: { vocabStart: number; width: number; data: Float32Array }[] = [];
  for (let vocabStart = 0; vocabStart < columns; vocabStart += chunk) {
    const width = Math.min(chunk, columns - vocabStart);
    const data = Float32Array.from({ length: rows * width }, (_, i) => {
      return logits[Math.floor(i / width) * columns + vocabStart + (i % width)] as number;
    });
    chunks.push({ vocabStart, width, data });
  }
  const ids = intTensor(targets, [rows]);
  const perRow = (data: Float32Array) => floatTensor(data, [rows]);
  for (const { vocabStart, width, data } of chunks) {
    crossEntropyForward(floatTensor(data, [rows, width]), ids, perRow(lse), perRow(targetLogit), { vocabStart });
  }
  const dlogits = new Float32Array(rows * columns);
  for (const { vocabStart, width, data } of chunks) {
    crossEntropyBackward(floatTensor(data, [rows, width]), ids, perRow(lse), perRow(one), { vocabStart });
    for (let r = 0; r < rows; r++) dlogits.set(rowOf(data, r, width), r * columns + vocabStart);
  }
  return { lse, targetLogit, dlogits, dloss: one };
}

// Vector lanes sum up to 64 terms before they are joined: a few roundings of 6e-8 of the sum, and one of lse itself.
const lseClose = { rtol: 2e-7, atol: 1e-6 };

describe("crossEntropy", () => {
  for (const [rows, columns] of [
    [1, 1],
    [3, 7],
    [5, 16],
    [2, 33],
    [9, 2048],
    [3, 5003],
    [40, 300],
    [0, 8],
  ] as const) {
    it(`agrees with the definition on [${rows}, ${columns}]`, () => {
      const logits = randomFloats(rows * columns, 1, 5);
      const targets = randomInts(rows, columns, 2);
      const { lse, targetLogit, dlogits, dloss } = run(logits, targets, columns);
      const expected = Array.from(targets, (_, r) => logSumExp(rowOf(logits, r, columns)));
      expectAllClose(lse, expected, lseClose);
      expect([...targetLogit]).toEqual(Array.from(targets, (target, r) => logits[r * columns + target]));
      const gradient = Float64Array.from(logits, (value, i) => {
        const r = Math.floor(i / columns);
        const hit = targets[r] === i % columns ? 1 : 0;
        return (dloss[r] as number) * (Math.exp(value - (expected[r] as number)) - hit);
      });
      // lse rounds at 1e-6, which scales every probability; the target's cancels against 1. dloss is at most 40.
      expectAllClose(dlogits, gradient, { rtol: 3e-6, atol: 2e-7 * (rows + 1) });
    });
  }

  it("has gradients equal to finite differences", () => {
    const [rows, columns] = [3, 21];
    const logits = randomFloats(rows * columns, 3, 2);
    const targets = randomInts(rows, columns, 4);
    const { dlogits, dloss } = run(logits, targets, columns);
    const loss = (x: ArrayLike<number>) =>
      Array.from(targets).reduce(
        (sum, target, r) =>
          sum + (dloss[r] as number) * (logSumExp(rowOf(x, r, columns)) - (x[r * columns + target] as number)),
        0,
      );
    expectAllClose(dlogits, finiteDifference(loss, logits), { rtol: 2e-6, atol: 2e-6 });
  });

  it("gives the same loss and gradient in chunks of the vocabulary as at once", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        (rows, columns, chunk) => {
          const logits = randomFloats(rows * columns, 5, 4);
          const targets = randomInts(rows, columns, 6);
          const whole = run(logits, targets, columns);
          const pieces = run(logits, targets, columns, chunk);
          expect(pieces.targetLogit).toEqual(whole.targetLogit);
          // lse rounds to float32 once a chunk, of which there are at most 200.
          expectAllClose(pieces.lse, whole.lse, { rtol: 2e-6, atol: 5e-6 });
          expectAllClose(pieces.dlogits, whole.dlogits, { rtol: 2e-5, atol: 1e-5 });
        },
      ),
      { numRuns: 40 },
    );
  });

  it("has gradients that sum to zero in every row", () => {
    const [rows, columns] = [4, 3000];
    const { dlogits, dloss } = run(randomFloats(rows * columns, 7, 3), randomInts(rows, columns, 8), columns);
    for (let r = 0; r < rows; r++) {
      const sum = rowOf(dlogits, r, columns).reduce((a, b) => a + b, 0);
      // lse rounds at 1e-6, and every probability with it.
      expect(Math.abs(sum)).toBeLessThan(2e-6 * (dloss[r] as number));
    }
  });

  it("leaves ignored rows' lse and target logit alone and gives them a gradient of exactly zero", () => {
    const columns = 37;
    const logits = randomFloats(3 * columns, 9);
    logits.fill(Number.NaN, columns, 2 * columns);
    const { lse, targetLogit, dlogits } = run(logits, Int32Array.of(4, -1, 36), columns);
    expect(lse[1]).toBe(-Infinity);
    expect(targetLogit[1]).toBe(0);
    expect(dlogits.subarray(columns, 2 * columns)).toEqual(new Float32Array(columns));
    expect(dlogits.filter(Number.isNaN)).toHaveLength(0);
  });

  it("takes minus infinity as a probability of zero, in the target's chunk or another", () => {
    const logits = Float32Array.of(-Infinity, 1, 2, -Infinity, -Infinity, 0, -Infinity, -Infinity, 3);
    const expected = [logSumExp([1, 2]), 0, 3];
    for (const chunk of [3, 2, 1]) {
      const { lse, dlogits } = run(logits, Int32Array.of(1, 2, 2), 3, chunk);
      expectAllClose(lse, expected, lseClose);
      expect([0, 3, 4, 6, 7].map((i) => dlogits[i])).toEqual([0, 0, 0, 0, 0]);
      expect(dlogits.filter(Number.isFinite)).toHaveLength(9);
    }
  });

  it("stays exact for huge logits of either sign", () => {
    const logits = Float32Array.of(1e38, 1e38, -3e38, -3e38, -3e38, 3e38, -1e4, -1e4, -1e4);
    for (const chunk of [3, 1]) {
      const { lse } = run(logits, Int32Array.of(0, 0, 0), 3, chunk);
      expectAllClose(lse, [1e38, 3e38, -1e4 + Math.log(3)], { rtol: 1e-7 });
    }
  });

  it.each([1, 17, 64, 3000])("carries NaN and infinity at column %i through their own row only", (column) => {
    const columns = 3001;
    const logits = randomFloats(4 * columns, 10);
    logits[column] = Number.NaN;
    logits[2 * columns + column] = Infinity;
    for (const chunk of [columns, 100]) {
      const { lse, dlogits } = run(logits, Int32Array.of(5, 5, 5, 5), columns, chunk);
      expect(lse[0]).toBeNaN();
      expect(lse[2]).toBe(Infinity);
      expect([lse[1], lse[3]].every(Number.isFinite)).toBe(true);
      const bad = [0, 1, 2, 3].map((r) => rowOf(dlogits, r, columns).some(Number.isNaN));
      expect(bad).toEqual([true, false, true, false]);
    }
  });

  it("leaves the target logit alone when no chunk holds the target", () => {
    const logits = floatTensor(randomFloats(2 * 8, 11), [2, 8]);
    const targetLogit = floatTensor(Float32Array.of(7, 7), [2]);
    const lse = floatTensor(new Float32Array(2).fill(-Infinity), [2]);
    const targets = intTensor(Int32Array.of(9, 31), [2]);
    crossEntropyForward(logits, targets, lse, targetLogit, { vocabStart: 10 });
    expect(targetLogit.data).toEqual(Float32Array.of(7, 7));
  });

  it("reads and writes strided rows without touching the gaps", () => {
    const [rows, columns] = [4, 19];
    const logits = randomFloats(rows * columns, 12);
    const targets = randomInts(rows, columns, 13);
    const expected = run(logits, targets, columns);
    const wide = floatTensor(stridedRows(logits, rows, columns, 24, 3), [rows, columns], [24, 1]);
    const lse = floatTensor(new Float32Array(rows).fill(-Infinity), [rows]);
    const targetLogit = floatTensor(new Float32Array(rows), [rows]);
    crossEntropyForward(wide, intTensor(targets, [rows]), lse, targetLogit);
    expect(lse.data).toEqual(expected.lse);
    crossEntropyBackward(wide, intTensor(targets, [rows]), lse, floatTensor(expected.dloss, [rows]));
    expect(wide.data).toEqual(stridedRows(expected.dlogits, rows, columns, 24, 3));
  });

  it("gives the same bits for any number of threads", () => {
    const [rows, columns] = [33, 1030];
    const logits = randomFloats(rows * columns, 14);
    const targets = randomInts(rows, columns, 15);
    const call = () => run(logits, targets, columns, 500);
    const first = withThreads(1, call);
    for (const threads of [2, 3]) expect(withThreads(threads, call)).toEqual(first);
  });

  it("says what was expected and what came when an argument is wrong", () => {
    const logits = floatTensor(new Float32Array(16), [2, 8]);
    const [ids, rows] = [intTensor(new Int32Array(2), [2]), floatTensor(new Float32Array(2), [2])];
    const short = floatTensor(new Float32Array(1), [1]);
    expect(() => crossEntropyForward(logits, ids, short, rows)).toThrow(
      "crossEntropyForward: lse must have shape [2], got [1]",
    );
    expect(() => crossEntropyBackward(logits, ids, rows, short)).toThrow(
      "crossEntropyBackward: dloss must have shape [2], got [1]",
    );
    expect(() => crossEntropyForward(logits, ids, rows, rows, { vocabStart: -1 })).toThrow(
      "crossEntropyForward: vocabStart must be an integer from 0 to 2147483647, got the number -1",
    );
  });
});
