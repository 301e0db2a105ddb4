import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { floatTensor, rmsNormBackward, rmsNormForward, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

const eps = 1e-5;

/** In doubles, straight from the definition. */
function reference(x: ArrayLike<number>, weight: ArrayLike<number>, rows: number, columns: number) {
  const y = new Float64Array(rows * columns);
  const rstd = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let c = 0; c < columns; c++) squares += (x[r * columns + c] as number) ** 2;
    rstd[r] = 1 / Math.sqrt(squares / columns + eps);
    for (let c = 0; c < columns; c++) {
      y[r * columns + c] = (x[r * columns + c] as number) * (rstd[r] as number) * (weight[c] as number);
    }
  }
  return { y, rstd };
}

function run(x: Float32Array, weight: Float32Array, rows: number, columns: number) {
  const y = zeros([rows, columns]);
  const rstd = zeros([rows]);
  rmsNormForward(floatTensor(x, [rows, columns]), floatTensor(weight, [columns]), y, rstd, { eps });
  return { y: y.data, rstd: rstd.data };
}

// A float32 sum of C squares in vector lanes errs by about sqrt(C) roundings of 6e-8 each.
const rtol = 2e-6;

describe("rmsNorm", () => {
  for (const [rows, columns] of [
    [1, 1],
    [3, 7],
    [5, 16],
    [2, 33],
    [64, 256],
    [130, 1027],
    [0, 8],
  ] as const) {
    it(`agrees with the definition on [${rows}, ${columns}]`, () => {
      const x = randomFloats(rows * columns, 1);
      const weight = randomFloats(columns, 2);
      const expected = reference(x, weight, rows, columns);
      const actual = run(x, weight, rows, columns);
      expectAllClose(actual.y, expected.y, { rtol, atol: 1e-7 });
      expectAllClose(actual.rstd, expected.rstd, { rtol });
    });
  }

  it("reads and writes strided rows without touching the gaps", () => {
    const [rows, columns] = [4, 19];
    const x = randomFloats(rows * columns, 3);
    const weight = randomFloats(columns, 4);
    const y = stridedRows(new Float32Array(rows * columns), rows, columns, 24, 3);
    rmsNormForward(
      floatTensor(stridedRows(x, rows, columns, 21, 1), [rows, columns], [21, 1]),
      floatTensor(weight, [columns]),
      floatTensor(y, [rows, columns], [24, 1]),
      zeros([rows]),
      { eps },
    );
    expect(y).toEqual(stridedRows(run(x, weight, rows, columns).y, rows, columns, 24, 3));
  });

  it("takes heads inside a wider array, forward and backward, without touching the gaps", () => {
    const [tokens, heads, size, width] = [5, 3, 19, 80];
    const [rows, shape, strides] = [tokens * heads, [tokens, heads, size], [width, 21, 1]];
    const x = randomFloats(rows * size, 14);
    const dy = randomFloats(rows * size, 15);
    const weight = randomFloats(size, 16);
    const spread = (data: Float32Array) => stridedRows(stridedRows(data, rows, size, 21), tokens, heads * 21, width, 2);
    const inputs = floatTensor(spread(x), shape, strides);
    const gain = floatTensor(weight, [size]);
    const rstd = zeros([tokens, heads]);
    const y = spread(new Float32Array(rows * size));
    rmsNormForward(inputs, gain, floatTensor(y, shape, strides), rstd, { eps });
    expect(y).toEqual(spread(run(x, weight, rows, size).y));

    const expected = gradients(x, weight, dy, rows, size);
    const dx = spread(new Float32Array(rows * size));
    const dweight = zeros([size]);
    const upstream = floatTensor(spread(dy), shape, strides);
    rmsNormBackward(upstream, inputs, gain, rstd, floatTensor(dx, shape, strides), dweight);
    expect(dx).toEqual(spread(expected.dx));
    expect(dweight.data).toEqual(expected.dweight);
  });

  it("carries NaN and infinity through their own row only", () => {
    const x = Float32Array.of(1, Number.NaN, 1, 2, Infinity, 1, 3, 4);
    const { y } = run(x, Float32Array.of(1, 1), 4, 2);
    expect([...y].map((value) => Number.isFinite(value))).toEqual([false, false, true, true, false, true, true, true]);
    expect(y[4]).toBeNaN();
    expect(y[5]).toBe(0);
  });

  it("has gradients equal to finite differences", () => {
    const [rows, columns] = [3, 21];
    const x = randomFloats(rows * columns, 5);
    const weight = randomFloats(columns, 6);
    const dy = randomFloats(rows * columns, 7);
    const loss = (input: ArrayLike<number>, gain: ArrayLike<number>) =>
      reference(input, gain, rows, columns).y.reduce((sum, value, i) => sum + value * (dy[i] as number), 0);
    const { dx, dweight } = gradients(x, weight, dy, rows, columns);
    expectAllClose(
      dx,
      finiteDifference((p) => loss(p, weight), x),
      { rtol: 1e-5, atol: 1e-5 },
    );
    expectAllClose(
      dweight,
      finiteDifference((p) => loss(x, p), weight),
      { rtol: 1e-5, atol: 1e-5 },
    );
  });

  it("adds to dx on request and always to dweight", () => {
    const [rows, columns] = [40, 33];
    const x = randomFloats(rows * columns, 8);
    const weight = randomFloats(columns, 9);
    const dy = randomFloats(rows * columns, 10);
    const once = gradients(x, weight, dy, rows, columns);
    const twice = gradients(x, weight, dy, rows, columns, { dx: once.dx.slice(), dweight: once.dweight.slice() });
    expectAllClose(
      twice.dx,
      once.dx.map((value) => 2 * value),
      { rtol: 1e-6 },
    );
    expectAllClose(
      twice.dweight,
      once.dweight.map((value) => 2 * value),
      { rtol: 1e-5, atol: 1e-6 },
    );
  });

  it("gives the same bits every time, and the same dx for any number of threads", () => {
    const [rows, columns] = [257, 65];
    const x = randomFloats(rows * columns, 11);
    const weight = randomFloats(columns, 12);
    const dy = randomFloats(rows * columns, 13);
    const call = () => gradients(x, weight, dy, rows, columns);
    const first = withThreads(2, call);
    expect(withThreads(2, call)).toEqual(first);
    expect(withThreads(1, call).dx).toEqual(first.dx);
  });

  it("says what was expected and what came when a shape is wrong", () => {
    const x = zeros([2, 8]);
    const call = () => rmsNormForward(x, zeros([7]), zeros([2, 8]), zeros([2]), { eps });
    expect(call).toThrow("rmsNormForward: weight must have shape [8], got [7]");
  });
});

function gradients(
  x: Float32Array,
  weight: Float32Array,
  dy: Float32Array,
  rows: number,
  columns: number,
  onto?: { dx: Float32Array; dweight: Float32Array },
) {
  const shape = [rows, columns];
  const { rstd } = run(x, weight, rows, columns);
  const dx = onto?.dx ?? new Float32Array(rows * columns);
  const dweight = onto?.dweight ?? new Float32Array(columns);
  rmsNormBackward(
    floatTensor(dy, shape),
    floatTensor(x, shape),
    floatTensor(weight, [columns]),
    floatTensor(rstd, [rows]),
    floatTensor(dx, shape),
    floatTensor(dweight, [columns]),
    { accumulate: onto !== undefined },
  );
  return { dx, dweight };
}
