import { expectAllClose, randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { adamwStep, floatTensor, setThreads, threads, zeros } from "../js/index.js";

const settings = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, gradScale: 0.5 };

interface State {
  param: ArrayLike<number>;
  m: ArrayLike<number>;
  v: ArrayLike<number>;
}

/** In doubles, straight from the definition. */
function reference(state: State, grad: ArrayLike<number>, step: number) {
  const { lr, beta1, beta2, eps, weightDecay, gradScale } = settings;
  const g = Array.from(grad, (value) => value * gradScale);
  const m = g.map((value, i) => beta1 * (state.m[i] as number) + (1 - beta1) * value);
  const v = g.map((value, i) => beta2 * (state.v[i] as number) + (1 - beta2) * value * value);
  const param = g.map((_, i) => {
    const mHat = (m[i] as number) / (1 - beta1 ** step);
    const vHat = (v[i] as number) / (1 - beta2 ** step);
    const p = state.param[i] as number;
    return p - lr * (weightDecay * p + mHat / (Math.sqrt(vHat) + eps));
  });
  return { param, m, v };
}

function start(n: number) {
  return { param: floatTensor(randomFloats(n, 1), [n]), m: zeros([n]), v: zeros([n]) };
}

// Each step makes about ten float32 roundings of 6e-8, relative to the terms of a sum; m and param are sums in which
// terms cancel, hence the absolute part in units of their terms (m near 1, a step near lr).
const tolerance = { rtol: 1e-6, atol: 1e-7 };

describe("adamwStep", () => {
  for (const n of [0, 1, 7, 16, 33, 1000, 20011]) {
    it(`follows the definition for three steps of ${n} parameters`, () => {
      const { param, m, v } = start(n);
      let expected: State = { param: param.data.slice(), m: m.data.slice(), v: v.data.slice() };
      for (let step = 1; step <= 3; step++) {
        const grad = randomFloats(n, 10 + step);
        expected = reference(expected, grad, step);
        adamwStep(param, floatTensor(grad, [n]), m, v, { ...settings, step });
      }
      expectAllClose(m.data, expected.m, tolerance);
      expectAllClose(v.data, expected.v, tolerance);
      expectAllClose(param.data, expected.param, tolerance);
    });
  }

  it("corrects the moments in double precision: a first step of any size moves by lr", () => {
    // With beta2 = 1 - 1e-7, 1 - beta2 would have one bit left in float32.
    const param = zeros([3]);
    const grad = floatTensor(Float32Array.of(1e-3, -5, 1e6), [3]);
    const options = { lr: 0.5, beta1: 0.999, beta2: 0.9999999, eps: 1e-30, weightDecay: 0, step: 1 };
    adamwStep(param, grad, zeros([3]), zeros([3]), options);
    expectAllClose(param.data, [-0.5, 0.5, -0.5], { rtol: 3e-7 });
  });

  it("leaves parameters without gradient alone but for the decay", () => {
    const param = floatTensor(Float32Array.of(2, -4), [2]);
    adamwStep(param, zeros([2]), zeros([2]), zeros([2]), { ...settings, step: 1 });
    expectAllClose(param.data, [2 * 0.999, -4 * 0.999], { rtol: 1e-7 });
  });

  it("updates arrays at an offset and nothing beside them", () => {
    const n = 21;
    const whole = start(n);
    adamwStep(whole.param, floatTensor(randomFloats(n, 2), [n]), whole.m, whole.v, { ...settings, step: 1 });
    const inside = (data: Float32Array) => {
      const padded = new Float32Array(n + 5).fill(7);
      padded.set(data, 3);
      return padded;
    };
    const first = start(n);
    const [p, g, m, v] = [first.param.data, randomFloats(n, 2), first.m.data, first.v.data].map(inside);
    const view = (data: Float32Array | undefined) => floatTensor((data as Float32Array).subarray(3, 3 + n), [n]);
    adamwStep(view(p), view(g), view(m), view(v), { ...settings, step: 1 });
    expect([p, m, v]).toEqual([whole.param.data, whole.m.data, whole.v.data].map(inside));
  });

  it("takes any shape, and gives the same bits for any number of threads", () => {
    const before = threads();
    const run = (count: number) => {
      setThreads(count);
      const shape = [131, 257];
      const n = 131 * 257;
      const param = floatTensor(randomFloats(n, 1), shape);
      const [m, v] = [zeros(shape), zeros(shape)];
      for (const step of [1, 2]) {
        adamwStep(param, floatTensor(randomFloats(n, step), shape), m, v, { ...settings, step });
      }
      return [param.data, m.data, v.data];
    };
    try {
      const one = run(1);
      for (const count of [1, 2, 3, 7]) expect(run(count)).toEqual(one);
    } finally {
      setThreads(before);
    }
  });

  it("lets NaN and infinity show in their own parameter only", () => {
    const param = zeros([20]);
    const grad = zeros([20]);
    grad.data.set([Number.NaN, 1, Infinity], 8);
    adamwStep(param, grad, zeros([20]), zeros([20]), { ...settings, step: 1 });
    expect([...param.data.keys()].filter((i) => Number.isNaN(param.data[i]))).toEqual([8, 10]);
  });

  it("says what was expected and what came", () => {
    const t = zeros([4]);
    expect(() => adamwStep(t, zeros([5]), t, t, { ...settings, step: 1 })).toThrow(
      "adamwStep: grad must have shape [4], got [5]",
    );
    expect(() => adamwStep(t, t, t, t, { ...settings, step: 0 })).toThrow(
      "adamwStep: step must be an integer from 1 to 9007199254740992, got the number 0",
    );
    expect(() => adamwStep(t, t, t, t, { ...settings, step: 1, beta2: 1 })).toThrow(
      "adamwStep: beta2 must be a number from 0 to 0.9999999, got the number 1",
    );
    expect(() => adamwStep(t, t, t, t, { ...settings, step: 1, eps: 0 })).toThrow(
      "eps must be a number from 1e-37 to 1",
    );
    expect(() => adamwStep(t, t, t, t, { ...settings, step: 1, gradScale: Number.NaN })).toThrow(
      "gradScale must be a finite number, got the number NaN",
    );
  });
});
