import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { floatTensor, layerNormBackward, layerNormForward, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

const eps = 1e-5;

/** In doubles, straight from the definition. */
function reference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  rows: number,
  columns: number,
) {
  const y = new Float64Array(rows * columns);
  const mean = new Float64Array(rows);
  const rstd = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = Array.from({ length: columns }, (_, c) => x[r * columns + c] as number);
    const average = row.reduce((sum, value) => sum + value, 0) / columns;
    const variance = row.reduce((sum, value) => sum + (value - average) ** 2, 0) / columns;
    mean[r] = average;
    rstd[r] = 1 / Math.sqrt(variance + eps);
    row.forEach((value, c) => {
      y[r * columns + c] = (value - average) * (rstd[r] as number) * (weight[c] as number) + (bias?.[c] ?? 0);
    });
  }
  return { y, mean, rstd };
}

function run(x: Float32Array, weight: Float32Array, bias: Float32Array | null, rows: number, columns: number) {
  const [y, mean, rstd] = [zeros([rows, columns]), zeros([rows]), zeros([rows])];
  const shift = bias && floatTensor(bias, [columns]);
  layerNormForward(floatTensor(x, [rows, columns]), floatTensor(weight, [columns]), shift, y, mean, rstd, { eps });
  return { y: y.data, mean: mean.data, rstd: rstd.data };
}

interface Gradients {
  dx: Float32Array;
  dweight: Float32Array;
  dbias: Float32Array;
}

function gradients(
  x: Float32Array,
  weight: Float32Array,
  dy: Float32Array,
  rows: number,
  columns: number,
  onto?: Gradients,
): Gradients {
  const shape = [rows, columns];
  const { mean, rstd } = run(x, weight, null, rows, columns);
  const dx = onto?.dx ?? new Float32Array(rows * columns);
  const dweight = onto?.dweight ?? new Float32Array(columns);
  const dbias = onto?.dbias ?? new Float32Array(columns);
  layerNormBackward(
    floatTensor(dy, shape),
    floatTensor(x, shape),
    floatTensor(weight, [columns]),
    floatTensor(mean, [rows]),
    floatTensor(rstd, [rows]),
    floatTensor(dx, shape),
    floatTensor(dweight, [columns]),
    floatTensor(dbias, [columns]),
    { accumulate: onto !== undefined },
  );
  return { dx, dweight, dbias };
}

// A float32 sum of C values in vector lanes errs by about sqrt(C) roundings of 6e-8 each, relative to the largest.
const close = { rtol: 3e-6, atol: 2e-6 };

describe("layerNorm", () => {
  for (const [rows, columns] of [
    [1, 1],
    [3, 7],
    [5, 16],
    [2, 33],
    [64, 256],
    [130, 1027],
    [0, 8],
    [3, 0],
  ] as const) {
    it(`agrees with the definition on [${rows}, ${columns}]`, () => {
      const x = randomFloats(rows * columns, 1);
      const weight = randomFloats(columns, 2);
      const bias = randomFloats(columns, 3);
      for (const shift of [bias, null]) {
        const expected = reference(x, weight, shift, rows, columns);
        const actual = run(x, weight, shift, rows, columns);
        expectAllClose(actual.y, expected.y, close);
        expectAllClose(actual.mean, expected.mean, close);
        expectAllClose(actual.rstd, expected.rstd, close);
      }
    });
  }

  it("keeps its accuracy when the mean is ten thousand times the spread", () => {
    const [rows, columns] = [3, 1000];
    const x = randomFloats(rows * columns, 4).map((value) => value + 1e4);
    const weight = new Float32Array(columns).fill(1);
    // x itself is spaced by 1e-3 here, exactly known to both; what remains is the rounding of the mean, 5e-4.
    expectAllClose(run(x, weight, null, rows, columns).y, reference(x, weight, null, rows, columns).y, {
      rtol: 1e-5,
      atol: 1e-3,
    });
    expectAllClose(run(x, weight, null, rows, columns).rstd, reference(x, weight, null, rows, columns).rstd, {
      rtol: 1e-5,
    });
  });

  it("takes heads inside a wider array, forward and backward, without touching the gaps", () => {
    const [tokens, heads, size, width] = [5, 3, 19, 80];
    const [rows, shape, strides] = [tokens * heads, [tokens, heads, size], [width, 21, 1]];
    const x = randomFloats(rows * size, 5);
    const dy = randomFloats(rows * size, 6);
    const weight = randomFloats(size, 7);
    const bias = randomFloats(size, 8);
    const spread = (data: Float32Array) => {
      const groups = stridedRows(data, rows, size, 21);
      return stridedRows(groups, tokens, heads * 21, width, 2);
    };
    const gain = floatTensor(weight, [size]);
    const [mean, rstd] = [zeros([tokens, heads]), zeros([tokens, heads])];
    const y = spread(new Float32Array(rows * size));
    const inputs = floatTensor(spread(x), shape, strides);
    layerNormForward(inputs, gain, floatTensor(bias, [size]), floatTensor(y, shape, strides), mean, rstd, { eps });
    expect(y).toEqual(spread(run(x, weight, bias, rows, size).y));

    const expected = gradients(x, weight, dy, rows, size);
    const dx = spread(new Float32Array(rows * size));
    const [dweight, dbias] = [zeros([size]), zeros([size])];
    const upstream = floatTensor(spread(dy), shape, strides);
    layerNormBackward(upstream, inputs, gain, mean, rstd, floatTensor(dx, shape, strides), dweight, dbias);
    expect(dx).toEqual(spread(expected.dx));
    expect(dweight.data).toEqual(expected.dweight);
    expect(dbias.data).toEqual(expected.dbias);
  });

  it("may write y over x and dx over dy", () => {
    const [rows, columns] = [9, 37];
    const x = randomFloats(rows * columns, 9);
    const dy = randomFloats(rows * columns, 10);
    const weight = randomFloats(columns, 11);
    const shape = [rows, columns];
    const inPlace = floatTensor(x.slice(), shape);
    const [mean, rstd] = [zeros([rows]), zeros([rows])];
    layerNormForward(inPlace, floatTensor(weight, [columns]), null, inPlace, mean, rstd, { eps });
    expect(inPlace.data).toEqual(run(x, weight, null, rows, columns).y);
    const gradient = floatTensor(dy.slice(), shape);
    const gain = floatTensor(weight, [columns]);
    layerNormBackward(gradient, floatTensor(x, shape), gain, mean, rstd, gradient, zeros([columns]), null);
    expect(gradient.data).toEqual(gradients(x, weight, dy, rows, columns).dx);
  });

  it("carries NaN and infinity through their own row only", () => {
    const x = Float32Array.of(1, Number.NaN, 1, 2, Infinity, 1, 3, 4);
    const { y } = run(x, Float32Array.of(1, 1), Float32Array.of(0, 0), 4, 2);
    expect([...y].map((value) => Number.isFinite(value))).toEqual([false, false, true, true, false, false, true, true]);
  });

  it("has gradients equal to finite differences", () => {
    const [rows, columns] = [3, 21];
    const x = randomFloats(rows * columns, 12);
    const weight = randomFloats(columns, 13);
    const bias = randomFloats(columns, 14);
    const dy = randomFloats(rows * columns, 15);
    const loss = (input: ArrayLike<number>, gain: ArrayLike<number>, shift: ArrayLike<number>) =>
      reference(input, gain, shift, rows, columns).y.reduce((sum, value, i) => sum + value * (dy[i] as number), 0);
    const { dx, dweight, dbias } = gradients(x, weight, dy, rows, columns);
    // Central differences err by step² times the third derivative; float32 by a few 1e-7.
    const tolerance = { rtol: 1e-5, atol: 1e-5 };
    expectAllClose(
      dx,
      finiteDifference((p) => loss(p, weight, bias), x),
      tolerance,
    );
    expectAllClose(
      dweight,
      finiteDifference((p) => loss(x, p, bias), weight),
      tolerance,
    );
    expectAllClose(
      dbias,
      finiteDifference((p) => loss(x, weight, p), bias),
      tolerance,
    );
  });

  it("adds to dx on request and always to dweight and dbias", () => {
    const [rows, columns] = [40, 33];
    const x = randomFloats(rows * columns, 16);
    const weight = randomFloats(columns, 17);
    const dy = randomFloats(rows * columns, 18);
    const once = gradients(x, weight, dy, rows, columns);
    const copies = { dx: once.dx.slice(), dweight: once.dweight.slice(), dbias: once.dbias.slice() };
    const twice = gradients(x, weight, dy, rows, columns, copies);
    // Doubling is exact; the sum onto what is there rounds once more.
    expectAllClose(
      twice.dx,
      once.dx.map((value) => 2 * value),
      { rtol: 1e-6 },
    );
    expectAllClose(
      twice.dweight,
      once.dweight.map((value) => 2 * value),
      { rtol: 1e-6 },
    );
    expectAllClose(
      twice.dbias,
      once.dbias.map((value) => 2 * value),
      { rtol: 1e-6 },
    );
  });

  it("gives the same bits every time, and the same dx for any number of threads", () => {
    const [rows, columns] = [257, 65];
    const x = randomFloats(rows * columns, 19);
    const weight = randomFloats(columns, 20);
    const dy = randomFloats(rows * columns, 21);
    const call = () => gradients(x, weight, dy, rows, columns);
    const first = withThreads(2, call);
    expect(withThreads(2, call)).toEqual(first);
    expect(withThreads(1, call).dx).toEqual(first.dx);
    expect(withThreads(3, call).dx).toEqual(first.dx);
  });

  it("says what was expected and what came when an argument is wrong", () => {
    const x = zeros([2, 3, 8]);
    const call = (bias: number, mean: number[]) => () =>
      layerNormForward(x, zeros([8]), zeros([bias]), zeros([2, 3, 8]), zeros(mean), zeros([2, 3]), { eps });
    expect(call(7, [2, 3])).toThrow("layerNormForward: bias must have shape [8], got [7]");
    expect(call(8, [6])).toThrow("layerNormForward: mean must have shape [2, 3], got [6]");
    const flat = zeros([8]);
    expect(() => layerNormForward(flat, flat, null, flat, zeros([1]), zeros([1]), { eps })).toThrow(
      "layerNormForward: x must have 2 to 3 dimensions, got shape [8]",
    );
  });
});
