import { expectAllClose, finiteDifference, randomFloats, randomInts, stridedRows } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { embeddingBackward, embeddingForward, floatTensor, intTensor, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

/** out[n] = weight[ids[n]], in doubles. */
function reference(ids: Int32Array, weight: ArrayLike<number>, columns: number): Float64Array {
  return Float64Array.from({ length: ids.length * columns }, (_, i) => {
    const id = ids[Math.floor(i / columns)] as number;
    return weight[id * columns + (i % columns)] as number;
  });
}

function lookUp(ids: Int32Array, weight: Float32Array, vocabulary: number, columns: number): Float32Array {
  const out = zeros([ids.length, columns]);
  embeddingForward(intTensor(ids, [ids.length]), floatTensor(weight, [vocabulary, columns]), out);
  return out.data;
}

function scatter(ids: Int32Array, dout: Float32Array, vocabulary: number, columns: number, onto?: Float32Array) {
  const dweight = onto ?? new Float32Array(vocabulary * columns);
  const upstream = floatTensor(dout, [ids.length, columns]);
  embeddingBackward(intTensor(ids, [ids.length]), upstream, floatTensor(dweight, [vocabulary, columns]));
  return dweight;
}

describe("embedding", () => {
  for (const [count, vocabulary, columns] of [
    [1, 1, 1],
    [17, 5, 7],
    [300, 50, 33],
    [64, 9, 256],
    [0, 4, 8],
    [3, 4, 0],
  ] as const) {
    it(`looks up ${count} of ${vocabulary} rows of ${columns} exactly`, () => {
      const ids = randomInts(count, vocabulary, 1);
      const weight = randomFloats(vocabulary * columns, 2);
      expect(Float64Array.from(lookUp(ids, weight, vocabulary, columns))).toEqual(reference(ids, weight, columns));
    });

    it(`has the gradient of ${count} of ${vocabulary} rows of ${columns}`, () => {
      const ids = randomInts(count, vocabulary, 3);
      const dout = randomFloats(count * columns, 4);
      const expected = new Float64Array(vocabulary * columns);
      dout.forEach((value, i) => {
        const at = (ids[Math.floor(i / columns)] as number) * columns + (i % columns);
        expected[at] = (expected[at] as number) + value;
      });
      // Each weight sums up to 300 terms of size 1 one after another: 300 roundings of at most 1e-6 each.
      expectAllClose(scatter(ids, dout, vocabulary, columns), expected, { rtol: 1e-6, atol: 1e-5 });
    });
  }

  it("has a gradient equal to finite differences", () => {
    const [vocabulary, columns] = [6, 5];
    const ids = Int32Array.of(2, 0, 2, 5, 2);
    const dout = randomFloats(ids.length * columns, 5);
    const loss = (weight: ArrayLike<number>) =>
      reference(ids, weight, columns).reduce((sum, value, i) => sum + value * (dout[i] as number), 0);
    const expected = finiteDifference(loss, randomFloats(vocabulary * columns, 6));
    // The loss is linear: only the difference's own rounding is left.
    expectAllClose(scatter(ids, dout, vocabulary, columns), expected, { rtol: 1e-6, atol: 1e-8 });
  });

  it("forward and backward are adjoint: Σ out · dout = Σ weight · dweight", () => {
    fc.assert(
      fc.property(
        fc.nat(40),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 70 }),
        (count, vocabulary, columns) => {
          const ids = randomInts(count, vocabulary, 7);
          // Small integers, so that every sum is exact.
          const weight = Float32Array.from(randomInts(vocabulary * columns, 9, 8));
          const dout = Float32Array.from(randomInts(count * columns, 9, 9));
          const dot = (a: Float32Array, b: Float32Array) =>
            a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
          expect(dot(lookUp(ids, weight, vocabulary, columns), dout)).toBe(
            dot(weight, scatter(ids, dout, vocabulary, columns)),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it("adds to out on request and always to dweight", () => {
    const [count, vocabulary, columns] = [20, 6, 35];
    const ids = randomInts(count, vocabulary, 10);
    const weight = randomFloats(vocabulary * columns, 11);
    const base = randomFloats(count * columns, 12);
    const out = floatTensor(base.slice(), [count, columns]);
    embeddingForward(intTensor(ids, [count]), floatTensor(weight, [vocabulary, columns]), out, { accumulate: true });
    const rows = lookUp(ids, weight, vocabulary, columns);
    expect(out.data).toEqual(base.map((value, i) => value + (rows[i] as number)));

    const once = scatter(ids, base, vocabulary, columns);
    const twice = scatter(ids, base, vocabulary, columns, once.slice());
    // About four terms of size 1 a weight.
    expectAllClose(
      twice,
      once.map((value) => 2 * value),
      { rtol: 1e-6, atol: 1e-6 },
    );
  });

  it("reads and writes strided rows without touching the gaps", () => {
    const [count, vocabulary, columns] = [9, 4, 19];
    const ids = randomInts(count, vocabulary, 13);
    const weight = randomFloats(vocabulary * columns, 14);
    const table = floatTensor(stridedRows(weight, vocabulary, columns, 22, 1), [vocabulary, columns], [22, 1]);
    const rows = lookUp(ids, weight, vocabulary, columns);
    const out = stridedRows(new Float32Array(count * columns), count, columns, 24, 3);
    embeddingForward(intTensor(ids, [count]), table, floatTensor(out, [count, columns], [24, 1]));
    expect(out).toEqual(stridedRows(rows, count, columns, 24, 3));

    const dweight = stridedRows(new Float32Array(vocabulary * columns), vocabulary, columns, 22, 1);
    const dout = floatTensor(stridedRows(rows, count, columns, 24, 3), [count, columns], [24, 1]);
    embeddingBackward(intTensor(ids, [count]), dout, floatTensor(dweight, [vocabulary, columns], [22, 1]));
    expect(dweight).toEqual(stridedRows(scatter(ids, rows, vocabulary, columns), vocabulary, columns, 22, 1));
  });

  it("carries NaN and infinity to their own rows only", () => {
    const dout = Float32Array.of(1, Number.NaN, 2, 3, Infinity, 4);
    expect(scatter(Int32Array.of(1, 0, 3), dout, 4, 2)).toEqual(
      Float32Array.of(2, 3, 1, Number.NaN, 0, 0, Infinity, 4),
    );
  });

  it("gives the same bits for any number of threads", () => {
    const [count, vocabulary, columns] = [500, 7, 130];
    const ids = randomInts(count, vocabulary, 15);
    const dout = randomFloats(count * columns, 16);
    const call = () => scatter(ids, dout, vocabulary, columns);
    const first = withThreads(1, call);
    for (const threads of [2, 3, 8]) expect(withThreads(threads, call)).toEqual(first);
  });

  it("names the first id outside the table, and adds nothing then", () => {
    const ids = Int32Array.of(0, 3, 4, -1);
    expect(() => lookUp(ids, new Float32Array(8), 4, 2)).toThrow("embeddingForward: ids[2] must be from 0 to 3, got 4");
    const dweight = new Float32Array(8);
    expect(() => scatter(Int32Array.of(1, -1), new Float32Array(4).fill(1), 4, 2, dweight)).toThrow(
      expect.objectContaining({ code: "E_ARGUMENT", message: "embeddingBackward: ids[1] must be from 0 to 3, got -1" }),
    );
    expect(dweight).toEqual(new Float32Array(8));
  });

  it("says what was expected and what came when a shape is wrong", () => {
    const ids = intTensor(new Int32Array(3), [3]);
    expect(() => embeddingForward(ids, zeros([4, 8]), zeros([3, 7]))).toThrow(
      "embeddingForward: out must have shape [3, 8], got [3, 7]",
    );
    expect(() => embeddingBackward(ids, zeros([2, 8]), zeros([4, 8]))).toThrow(
      "embeddingBackward: dout must have shape [3, 8], got [2, 8]",
    );
  });
});
