import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { floatTensor, softcapBackward, softcapForward, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

const cap = 3;
const reference = (x: number) => cap * Math.tanh(x / cap);

function forward(x: Float32Array, rows: number, columns: number): Float32Array {
  const y = zeros([rows, columns]);
  softcapForward(floatTensor(x, [rows, columns]), y, { cap });
  return y.data;
}

describe("softcap", () => {
  for (const [rows, columns] of [
    [1, 1],
    [3, 7],
    [5, 16],
    [2, 33],
    [40, 1000],
    [0, 8],
  ] as const) {
    it(`agrees with the definition on [${rows}, ${columns}]`, () => {
      const x = randomFloats(rows * columns, 1, 5);
      // tanh is within 1.5 ulp (1.8e-7), the quotient and the product round once more each.
      expectAllClose(forward(x, rows, columns), Array.from(x, reference), { rtol: 4e-7 });
    });
  }

  it("has a gradient equal to finite differences", () => {
    const x = randomFloats(63, 2, 4);
    const dy = randomFloats(63, 3);
    const dx = zeros([3, 21]);
    softcapBackward(floatTensor(dy, [3, 21]), floatTensor(forward(x, 3, 21), [3, 21]), dx, { cap });
    const loss = (point: Float64Array) =>
      point.reduce((sum, value, i) => sum + reference(value) * (dy[i] as number), 0);
    expectAllClose(dx.data, finiteDifference(loss, x), { rtol: 1e-5, atol: 1e-6 });
  });

  it("works in place, on strided rows, without touching the gaps", () => {
    const x = randomFloats(4 * 19, 4);
    const inPlace = stridedRows(x, 4, 19, 24, 3);
    const view = floatTensor(inPlace, [4, 19], [24, 1]);
    softcapForward(view, view, { cap });
    expect(inPlace).toEqual(stridedRows(forward(x, 4, 19), 4, 19, 24, 3));
  });

  it("caps infinity, keeps NaN and has no slope at the cap", () => {
    const y = forward(Float32Array.of(Infinity, -Infinity, Number.NaN, 0), 1, 4);
    expect([...y]).toEqual([cap, -cap, Number.NaN, 0]);
    const dx = zeros([1, 4]);
    softcapBackward(floatTensor(Float32Array.of(1, 1, 1, 1), [1, 4]), floatTensor(y, [1, 4]), dx, { cap });
    expect([...dx.data]).toEqual([0, 0, Number.NaN, 1]);
  });

  it("gives the same bits for any number of threads", () => {
    const x = randomFloats(300 * 100, 5, 5);
    const runs = [1, 2, 3].map((count) => withThreads(count, () => forward(x, 300, 100)));
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  it("says what was expected when cap or a shape is wrong", () => {
    expect(() => softcapForward(zeros([1, 2]), zeros([1, 2]), { cap: 0 })).toThrow("cap must be a number above 0");
    expect(() => softcapForward(zeros([1, 2]), zeros([2, 1]), { cap })).toThrow("y must have shape [1, 2], got [2, 1]");
  });
});
