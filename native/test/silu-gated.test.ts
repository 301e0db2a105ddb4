import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { type FloatTensor, floatTensor, siluGatedBackward, siluGatedForward, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

/** In doubles, straight from the definition. */
const reference = (gate: ArrayLike<number>, up: ArrayLike<number>) =>
  Float64Array.from(gate, (g, i) => (g / (1 + Math.exp(-g))) * (up[i] as number));

function forward(gate: Float32Array, up: Float32Array, rows = 1): Float32Array {
  const shape = [rows, gate.length / rows];
  const y = zeros(shape);
  siluGatedForward(floatTensor(gate, shape), floatTensor(up, shape), y);
  return y.data;
}

function backward(dy: Float32Array, gate: Float32Array, up: Float32Array, rows = 1) {
  const shape = [rows, gate.length / rows];
  const [dgate, dup] = [zeros(shape), zeros(shape)];
  const inputs = [dy, gate, up].map((data) => floatTensor(data, shape)) as [FloatTensor, FloatTensor, FloatTensor];
  siluGatedBackward(...inputs, dgate, dup);
  return { dgate: dgate.data, dup: dup.data };
}

describe("siluGated", () => {
  for (const [rows, columns] of [
    [1, 1],
    [3, 7],
    [5, 16],
    [40, 333],
    [0, 8],
    [3, 0],
  ] as const) {
    it(`agrees with the definition on [${rows}, ${columns}]`, () => {
      const shape = [rows, columns];
      const gate = randomFloats(rows * columns, 1, 3);
      const up = randomFloats(rows * columns, 2);
      const y = zeros(shape);
      siluGatedForward(floatTensor(gate, shape), floatTensor(up, shape), y);
      // The sigmoid is within 2.5 ulp of 6e-8 each, and two products round once each.
      expectAllClose(y.data, reference(gate, up), { rtol: 5e-7 });
    });
  }

  it("has gradients equal to finite differences, also far from zero", () => {
    const gate = Float32Array.of(...randomFloats(60, 3, 3), -100, -30, -9, 9, 30, 100);
    const up = randomFloats(gate.length, 4);
    const dy = randomFloats(gate.length, 5);
    const loss = (g: ArrayLike<number>, u: ArrayLike<number>) =>
      reference(g, u).reduce((sum, value, i) => sum + value * (dy[i] as number), 0);
    const { dgate, dup } = backward(dy, gate, up);
    // 1 − s cancels to 6e-8, times a gate of at most 16 where it is not 0; differences round at about 1e-9.
    const tolerance = { rtol: 2e-6, atol: 2e-6 };
    expectAllClose(
      dgate,
      finiteDifference((p) => loss(p, up), gate),
      tolerance,
    );
    expectAllClose(
      dup,
      finiteDifference((p) => loss(gate, p), up),
      tolerance,
    );
  });

  it("takes both halves of one wider array, and may write over them", () => {
    const [rows, columns, width] = [5, 19, 41];
    const [shape, strides] = [
      [rows, columns],
      [width, 1],
    ];
    const [gate, up, dy] = [6, 7, 8].map((seed) => randomFloats(rows * columns, seed)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const halves = (left: Float32Array, right: Float32Array) => {
      const both = stridedRows(left, rows, columns, width);
      for (let r = 0; r < rows; r++) both.set(right.subarray(r * columns, (r + 1) * columns), r * width + 20);
      return both;
    };
    const fused = halves(gate, up);
    const gates = floatTensor(fused, shape, strides);
    const ups = floatTensor(fused.subarray(20), shape, strides);
    const y = zeros(shape);
    siluGatedForward(gates, ups, y);
    expect(y.data).toEqual(forward(gate, up, rows));
    const { dgate, dup } = backward(dy, gate, up, rows);
    siluGatedBackward(floatTensor(dy, shape), gates, ups, gates, ups);
    expect(fused).toEqual(halves(dgate, dup));
  });

  it("carries NaN and infinity through their own element only", () => {
    const gate = Float32Array.of(1, Number.NaN, Infinity, -1, -3e38, 3e38);
    const up = Float32Array.of(Number.NaN, 1, 1, 2, 1, 1);
    const y = forward(gate, up);
    expect([...y].map(Number.isNaN)).toEqual([true, true, false, false, false, false]);
    expect(y[2]).toBe(Infinity);
    expect(Math.abs(y[4] as number)).toBe(0);
    const { dgate } = backward(new Float32Array(6).fill(1), gate, new Float32Array(6).fill(1));
    expect([dgate[0], dgate[3], dgate[4], dgate[5]].every(Number.isFinite)).toBe(true);
    expect(dgate[1]).toBeNaN();
  });

  it("gives the same bits for any number of threads", () => {
    const [gate, up, dy] = [9, 10, 11].map((seed) => randomFloats(64 * 517, seed)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const call = () => [forward(gate, up, 64), backward(dy, gate, up, 64)];
    const first = withThreads(1, call);
    for (const threads of [2, 3]) expect(withThreads(threads, call)).toEqual(first);
  });

  it("says what was expected and what came when a shape is wrong", () => {
    const x = zeros([2, 8]);
    expect(() => siluGatedForward(x, zeros([2, 7]), x)).toThrow(
      "siluGatedForward: up must have shape [2, 8], got [2, 7]",
    );
    expect(() => siluGatedBackward(x, x, x, x, zeros([16]))).toThrow(
      "siluGatedBackward: dup must have shape [2, 8], got [16]",
    );
  });
});
