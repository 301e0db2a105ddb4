import {
  type AttentionInputs,
  attentionInputs,
  denseBackward,
  denseForward,
  expectAllClose,
  finiteDifference,
  randomFloats,
  randomInts,
  zregPenalty,
} from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attentionBackward, attentionForward, type FloatTensor, floatTensor, intTensor, zeros } from "../js/index.js";
import { type AttentionCase, causal, denseOf } from "./support/attention-reference.js";
import { randomIntervals, runAttention } from "./support/attention-run.js";

// A logit of normal q and k errs by a few roundings (6e-8) of values up to about 5, so a probability errs by 1e-6
// relative; outputs are means of values near 1.
const tolerance = { rtol: 1e-5, atol: 5e-6 };
// dq and dk also carry dout · v − delta, a difference of values up to 20 that may cancel wholly: 1e-6 in each of up to
// a few hundred cells that are summed.
const gradientTolerance = { rtol: 1e-5, atol: 2e-5 };

function expectAgrees(c: AttentionCase, inputs: AttentionInputs): void {
  const actual = runAttention(c, inputs);
  const { q, k, v, dout } = inputs;
  const forward = denseForward(denseOf(c), q, k, v);
  expectAllClose(actual.out, forward.out, tolerance);
  expectAllClose(actual.lse, forward.lse, tolerance);
  const gradients = denseBackward(denseOf(c), dout, q, k, v);
  expectAllClose(actual.dq, gradients.dq, gradientTolerance);
  expectAllClose(actual.dk, gradients.dk, gradientTolerance);
  expectAllClose(actual.dv, gradients.dv, gradientTolerance);
}

const shapes: [B: number, T: number, S: number, H: number, K: number, D: number, queryOffset?: number][] = [
  [1, 1, 1, 1, 1, 1],
  [2, 7, 7, 2, 2, 5],
  [1, 64, 64, 1, 1, 64],
  [1, 67, 67, 2, 2, 80],
  [2, 65, 65, 3, 1, 16],
  [1, 131, 131, 4, 2, 33],
  [1, 20, 200, 2, 1, 64, 180],
  [1, 1, 300, 4, 4, 64, 299],
  [1, 1, 700, 8, 1, 20, 650],
  [2, 3, 1100, 2, 2, 12, 900],
  [1, 70, 40, 2, 2, 96],
  [1, 9, 9, 1, 1, 128],
  [1, 5, 70, 1, 1, 256, 66],
  [0, 4, 4, 1, 1, 8],
  [1, 0, 6, 2, 1, 8],
  [1, 6, 0, 2, 1, 8],
];

type Views = [FloatTensor, FloatTensor, FloatTensor];

describe("attention", () => {
  for (const [B, T, S, H, K, D, queryOffset = 0] of shapes) {
    it(`agrees with dense attention for B ${B}, T ${T}, S ${S}, H ${H}, K ${K}, D ${D}, offset ${queryOffset}`, () => {
      const c = { B, T, S, H, K, D, options: causal(D, { queryOffset }) };
      expectAgrees(c, attentionInputs(c, 1));
    });
  }

  it("agrees with dense attention for random intervals, positions, windows, caps, offsets, indices and head counts", () => {
    const cases = fc.record({
      B: fc.integer({ min: 1, max: 2 }),
      T: fc.integer({ min: 1, max: 110 }),
      S: fc.integer({ min: 1, max: 110 }),
      K: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 3 }),
      D: fc.integer({ min: 1, max: 20 }),
      queryOffset: fc.integer({ min: 0, max: 60 }),
      intervals: fc.boolean(),
      window: fc.constantFrom(0, 1, 7, 40),
      positions: fc.boolean(),
      softcap: fc.constantFrom(0, 2),
      indices: fc.boolean(),
      zreg: fc.boolean(),
      seed: fc.integer({ min: 0, max: 1e6 }),
    });
    const check = fc.property(cases, ({ B, T, S, K, group, D, queryOffset, seed, ...draw }) => {
      const { start, limit } = randomIntervals(B * S, queryOffset + T + 5, seed);
      const c: AttentionCase = {
        B,
        T,
        S,
        H: K * group,
        K,
        D,
        options: causal(D, { queryOffset, window: draw.window, softcap: draw.softcap }),
      };
      if (draw.intervals)
        Object.assign(c.options, { start: intTensor(start, [B, S]), limit: intTensor(limit, [B, S]) });
      if (draw.indices) {
        delete c.options.queryOffset;
        c.options.queryIndices = intTensor(randomInts(B * T, queryOffset + T, seed + 6), [B, T]);
      }
      if (draw.zreg) {
        c.options.zregCoefficients = floatTensor(randomFloats(c.H, seed + 7), [c.H]);
        c.options.zregTargets = floatTensor(randomFloats(B * T, seed + 8), [B, T]);
      }
      if (draw.positions) {
        c.options.queryPositions = intTensor(randomInts(B * T, 80, seed + 2), [B, T]);
        c.options.keyPositions = intTensor(randomInts(B * S, 80, seed + 3), [B, S]);
      }
      expectAgrees(c, attentionInputs(c, seed));
    });
    fc.assert(check, { numRuns: 40, seed: 20 });
  });

  it("has gradients equal to finite differences, zreg's penalty among them", () => {
    const zreg = {
      zregCoefficients: floatTensor(Float32Array.of(0.3, -0.2), [2]),
      zregTargets: floatTensor(randomFloats(5, 6), [1, 5]),
    };
    const more = { queryIndices: intTensor(Int32Array.of(4, 1, 5, 1, 2), [1, 5]), softcap: 1.5, window: 4, ...zreg };
    const c = { B: 1, T: 5, S: 6, H: 2, K: 1, D: 3, options: causal(3, more) };
    const inputs = attentionInputs(c, 5);
    const { q, k, v, dout } = inputs;
    const loss = (a: ArrayLike<number>, b: ArrayLike<number>, e: ArrayLike<number>) => {
      const { out, lse } = denseForward(denseOf(c), a, b, e);
      return out.reduce((sum, value, i) => sum + value * (dout[i] as number), 0) + zregPenalty(denseOf(c), lse);
    };
    const { dq, dk, dv } = runAttention(c, inputs);
    expectAllClose(
      dq,
      finiteDifference((p) => loss(p, k, v), q),
      tolerance,
    );
    expectAllClose(
      dk,
      finiteDifference((p) => loss(q, p, v), k),
      tolerance,
    );
    expectAllClose(
      dv,
      finiteDifference((p) => loss(q, k, p), v),
      tolerance,
    );
  });

  it("reads q, k and v from one fused array and writes their gradients into another", () => {
    const [B, T, H, D] = [2, 75, 3, 24];
    const c = { B, T, S: T, H, K: H, D, options: causal(D) };
    const inputs = attentionInputs(c, 30);
    const width = 3 * H * D + 2;
    const strides = [T * width, width, D, 1];
    const fused = new Float32Array(B * T * width).fill(Number.NaN);
    const gradient = new Float32Array(B * T * width).fill(Number.NaN);
    const views = (data: Float32Array) =>
      [0, 1, 2].map((part) => floatTensor(data.subarray(part * H * D), [B, T, H, D], strides));
    const [q, k, v] = views(fused) as Views;
    const [dq, dk, dv] = views(gradient) as Views;
    const copy = (from: Float32Array, to: Float32Array) => {
      for (let row = 0; row < B * T; row++) to.set(from.subarray(row * H * D, (row + 1) * H * D), row * width);
    };
    copy(inputs.q, q.data);
    copy(inputs.k, k.data);
    copy(inputs.v, v.data);
    const [out, lse] = [zeros([B, T, H, D]), zeros([B, H, T])];
    attentionForward(q, k, v, out, lse, c.options);
    attentionBackward(floatTensor(inputs.dout, [B, T, H, D]), q, k, v, out, lse, dq, dk, dv, c.options);

    const expected = runAttention(c, inputs);
    expect(out.data).toEqual(expected.out);
    const wanted = new Float32Array(B * T * width).fill(Number.NaN);
    copy(expected.dq, wanted);
    copy(expected.dk, wanted.subarray(H * D));
    copy(expected.dv, wanted.subarray(2 * H * D));
    expect(gradient).toEqual(wanted);
  });

  it("agrees where a few queries look far into many keys, whole groups of tiles seen or skipped", () => {
    const [T, S, H, K, D] = [70, 3000, 2, 1, 8];
    const queryIndices = intTensor(randomInts(T, S, 47), [1, T]);
    // The first 1,100 keys are seen by all; the others by few.
    const { start, limit } = randomIntervals(S, S, 48);
    const narrow = limit.map((end, j) => (j < 1100 ? S : Math.min(end, (start[j] as number) + 40)));
    const wide = start.map((first, j) => (j < 1100 ? 0 : first));
    const intervals = { start: intTensor(wide, [1, S]), limit: intTensor(narrow, [1, S]) };
    for (const mask of [intervals, {}, { window: 300 }]) {
      const c: AttentionCase = { B: 1, T, S, H, K, D, options: causal(D, { queryIndices, ...mask }) };
      expectAgrees(c, attentionInputs(c, 49));
    }
  });

  it("gives permuted and repeated queries what they had in order, each by its index in the cache", () => {
    const [T, H, K, D] = [150, 2, 1, 24];
    const c = { B: 1, T, S: T, H, K, D, options: causal(D, { window: 90 }) };
    const inputs = attentionInputs(c, 45);
    const { out, dq } = runAttention(c, inputs);
    const order = randomInts(T + 20, T, 46);
    const pick = (data: Float32Array) => {
      const rows = [...order].map((t) => data.subarray(t * H * D, (t + 1) * H * D));
      return Float32Array.from(rows.flatMap((row) => [...row]));
    };
    const permuted: AttentionCase = { ...c, T: order.length, options: causal(D, { window: 90 }) };
    permuted.options.queryIndices = intTensor(order, [1, order.length]);
    const actual = runAttention(permuted, { ...inputs, q: pick(inputs.q), dout: pick(inputs.dout) });
    expectAllClose(actual.out, pick(out), tolerance);
    expectAllClose(actual.dq, pick(dq), gradientTolerance);
  });

  it("gives the same for queries in two calls with an offset as in one", () => {
    const [T, cut, H, K, D] = [90, 41, 4, 2, 32];
    const c = { B: 1, T, S: T, H, K, D, options: causal(D) };
    const inputs = attentionInputs(c, 40);
    const { out, lse } = runAttention(c, inputs);
    for (const [from, to] of [
      [0, cut],
      [cut, T],
      [T - 1, T],
    ] as const) {
      const part = { ...c, T: to - from, options: causal(D, { queryOffset: from }) };
      const q = inputs.q.subarray(from * H * D, to * H * D);
      const actual = runAttention(part, { ...inputs, q, dout: inputs.dout.subarray(from * H * D, to * H * D) });
      expectAllClose(actual.out, out.subarray(from * H * D, to * H * D), tolerance);
      for (let h = 0; h < H; h++) {
        expectAllClose(
          actual.lse.subarray(h * (to - from), (h + 1) * (to - from)),
          lse.subarray(h * T + from, h * T + to),
          tolerance,
        );
      }
    }
  });
});
