import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ActivationKind, activationBackward, activationForward, floatTensor, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

/** In doubles, straight from the definitions. */
const references: Record<ActivationKind, (x: number) => number> = {
  relu2: (x) => Math.max(x, 0) ** 2,
  gelu: (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
};
const kinds = ["relu2", "gelu"] as const;

function forward(kind: ActivationKind, x: Float32Array, rows = 1): Float32Array {
  const shape = [rows, x.length / rows];
  const y = zeros(shape);
  activationForward(floatTensor(x, shape), y, { kind });
  return y.data;
}

function backward(kind: ActivationKind, dy: Float32Array, x: Float32Array, rows = 1): Float32Array {
  const shape = [rows, x.length / rows];
  const dx = zeros(shape);
  activationBackward(floatTensor(dy, shape), floatTensor(x, shape), dx, { kind });
  return dx.data;
}

describe.each(kinds)("activation %s", (kind) => {
  it.each([
    [1, 1],
    [3, 7],
    [5, 16],
    [40, 333],
    [0, 8],
    [3, 0],
  ])("agrees with the definition on [%i, %i]", (rows, columns) => {
    const x = randomFloats(rows * columns, 1, 3);
    const shape = [rows, columns];
    const y = zeros(shape);
    activationForward(floatTensor(x, shape), y, { kind });
    // relu2 rounds once; gelu is stated within 1e-7 max(1, |x|), and |x| is under 16 here.
    expectAllClose(
      y.data,
      Float64Array.from(x, references[kind]),
      kind === "relu2" ? { rtol: 1e-7 } : { rtol: 2e-7, atol: 1e-7 },
    );
  });

  it("has gradients equal to finite differences, also far from zero", () => {
    const x = Float32Array.of(...randomFloats(60, 2, 3), -30, -12, -9, 9, 12, 30);
    const dy = randomFloats(x.length, 3);
    const loss = (input: ArrayLike<number>) =>
      Array.from(input).reduce((sum, value, i) => sum + references[kind](value) * (dy[i] as number), 0);
    // Central differences of a loss near 1e3 with steps of 1e-5 to 3e-4 round at about 1e-13 · 1e3 / 1e-5.
    expectAllClose(backward(kind, dy, x), finiteDifference(loss, x), { rtol: 1e-6, atol: 2e-6 });
  });

  it("treats every element alike, wherever it lies", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 }), (rows, columns) => {
        const x = randomFloats(rows * columns, 4, 2);
        const singly = x.map((value) => forward(kind, Float32Array.of(value))[0] as number);
        expect(forward(kind, x, rows)).toEqual(singly);
      }),
      { numRuns: 20 },
    );
  });

  it("reads and writes strided rows without touching the gaps, and may overwrite its inputs", () => {
    const [rows, columns, shape] = [4, 19, [4, 19]];
    const x = randomFloats(rows * columns, 5);
    const dy = randomFloats(rows * columns, 6);
    const inPlace = floatTensor(stridedRows(x, rows, columns, 21, 1), shape, [21, 1]);
    activationForward(inPlace, inPlace, { kind });
    expect(inPlace.data).toEqual(stridedRows(forward(kind, x, rows), rows, columns, 21, 1));
    const gradient = floatTensor(stridedRows(dy, rows, columns, 23, 2), shape, [23, 1]);
    activationBackward(gradient, floatTensor(stridedRows(x, rows, columns, 24), shape, [24, 1]), gradient, { kind });
    expect(gradient.data).toEqual(stridedRows(backward(kind, dy, x, rows), rows, columns, 23, 2));
  });

  it("carries NaN and infinity through their own element only", () => {
    const x = Float32Array.of(1, Number.NaN, Infinity, -1, 3e38);
    const y = forward(kind, x);
    expect([...y].map(Number.isNaN)).toEqual([false, true, false, false, false]);
    expect(y[2]).toBe(Infinity);
    const one = new Float32Array(x.length).fill(1);
    expect([...backward(kind, one, x)].map(Number.isNaN)).toEqual([false, true, false, false, false]);
    const upstream = Float32Array.of(Number.NaN, 1);
    expect([...backward(kind, upstream, Float32Array.of(1, 1))].map(Number.isNaN)).toEqual([true, false]);
  });

  it("gives the same bits for any number of threads", () => {
    const x = randomFloats(64 * 517, 7);
    const dy = randomFloats(64 * 517, 8);
    const call = () => [forward(kind, x, 64), backward(kind, dy, x, 64)];
    const first = withThreads(1, call);
    for (const threads of [2, 3]) expect(withThreads(threads, call)).toEqual(first);
  });
});

describe("activation", () => {
  it("says what was expected and what came when an argument is wrong", () => {
    const x = zeros([2, 8]);
    expect(() => activationForward(x, zeros([2, 7]), { kind: "gelu" })).toThrow(
      "activationForward: y must have shape [2, 8], got [2, 7]",
    );
    const swish = { kind: "swish" as ActivationKind };
    expect(() => activationBackward(x, x, x, swish)).toThrow(
      'activationBackward: kind must be one of "relu2", "gelu", got the string "swish"',
    );
    const nothing = {} as { kind: ActivationKind };
    expect(() => activationForward(x, x, nothing)).toThrow(
      'activationForward: kind must be one of "relu2", "gelu", got undefined',
    );
  });
});
