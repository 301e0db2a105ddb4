import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { floatTensor, setThreads, sumOfSquares, threads, zeros } from "../js/index.js";

const chunk = 16384;
const partials = 32;

const tensor = (data: Float32Array) => floatTensor(data, [data.length]);

/** The order of addition that the contract states, in doubles: not a bit may differ. */
function reference(arrays: Float32Array[]): number {
  let total = 0;
  for (const data of arrays) {
    for (let begin = 0; begin < data.length; begin += chunk) {
      const sums = new Float64Array(partials);
      const part = data.subarray(begin, begin + chunk);
      part.forEach((value, i) => {
        sums[i % partials] = (sums[i % partials] as number) + value * value;
      });
      for (let half = partials / 2; half >= 1; half /= 2) {
        for (let p = 0; p < half; p++) sums[p] = (sums[p] as number) + (sums[p + half] as number);
      }
      total += sums[0] as number;
    }
  }
  return total;
}

describe("sumOfSquares", () => {
  for (const sizes of [[], [0], [1], [31, 0, 33], [chunk - 1, chunk, chunk + 1], [100_003, 5]]) {
    it(`has the bits of the stated order of addition on sizes [${sizes}]`, () => {
      const arrays = sizes.map((n, i) => randomFloats(n, i + 1));
      expect(sumOfSquares(arrays.map(tensor))).toBe(reference(arrays));
    });
  }

  it("reads any shape and an array at an offset", () => {
    const data = randomFloats(60, 3);
    expect(sumOfSquares([floatTensor(data.subarray(7, 47), [2, 4, 5])])).toBe(reference([data.slice(7, 47)]));
  });

  it("neither overflows nor vanishes at the ends of float32", () => {
    expect(sumOfSquares([tensor(Float32Array.of(3e38, 3e38))])).toBe(2 * Math.fround(3e38) ** 2);
    expect(sumOfSquares([tensor(Float32Array.of(2 ** -149))])).toBe(2 ** -298);
  });

  it("propagates NaN and infinity from any place", () => {
    for (const at of [0, 40, chunk, chunk + 33]) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        const data = randomFloats(chunk + 40, 4);
        data[at] = bad;
        expect(sumOfSquares([zeros([3]), tensor(data)])).toBe(bad * bad);
      }
    }
  });

  it("gives the same bits for any number of threads", () => {
    const before = threads();
    const arrays = [randomFloats(200_001, 5), randomFloats(77, 6), randomFloats(50_000, 7)].map(tensor);
    try {
      const sums = [1, 2, 3, 8].map((count) => {
        setThreads(count);
        return sumOfSquares(arrays);
      });
      expect(new Set(sums).size).toBe(1);
    } finally {
      setThreads(before);
    }
  });

  it("names the tensor that is wrong", () => {
    const odd = { ...zeros([2, 2]), strides: [1, 2] };
    expect(() => sumOfSquares([zeros([2]), odd])).toThrow(
      "sumOfSquares: tensors[1] must be contiguous, got strides [1, 2] for shape [2, 2]",
    );
    const short = { ...zeros([2]), shape: [3] };
    expect(() => sumOfSquares([short])).toThrow("tensors[0] of shape [3] needs 3 elements, its array has 2");
  });
});
