import { type AttentionInputs, attentionInputs, denseForward, expectAllClose } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import {
  attentionBackward,
  attentionForward,
  floatTensor,
  intTensor,
  setThreads,
  threads,
  zeros,
} from "../js/index.js";
import { type AttentionCase, causal, denseOf, sees } from "./support/attention-reference.js";
import { randomIntervals, runAttention } from "./support/attention-run.js";

describe("attention at the edges", () => {
  it("gives zeros and -Infinity to a query that sees nobody, which takes no part in gradients", () => {
    const [T, length, D] = [70, 50, 8];
    const c = { B: 1, T, S: T, H: 1, K: 1, D, options: causal(D, padding(T, length)) };
    const { out, lse, dq, dk, dv } = runAttention(c, attentionInputs(c, 50));
    for (const tail of [out, dq, dk, dv]) expect(tail.subarray(length * D)).toEqual(new Float32Array((T - length) * D));
    expect(lse.subarray(length)).toEqual(new Float32Array(T - length).fill(-Infinity));
    expect(lse.subarray(0, length).every(Number.isFinite)).toBe(true);
  });

  it("gives rows that see nobody nothing of zreg's penalty", () => {
    const [T, length, D] = [70, 50, 8];
    const zreg = { zregCoefficients: floatTensor(Float32Array.of(0.5), [1]) };
    const c = { B: 1, T, S: T, H: 1, K: 1, D, options: causal(D, { ...padding(T, length), ...zreg }) };
    const inputs = attentionInputs(c, 50);
    const { dq, dk, dv } = runAttention(c, inputs);
    for (const tail of [dq, dk, dv]) expect(tail.subarray(length * D)).toEqual(new Float32Array((T - length) * D));
    expect(dq.every(Number.isFinite)).toBe(true);
    expect(dq).not.toEqual(runAttention({ ...c, options: causal(D, padding(T, length)) }, inputs).dq);
  });

  it("survives logits whose exponential overflows", () => {
    const c = { B: 1, T: 80, S: 80, H: 1, K: 1, D: 4, options: { scale: 1000 } };
    const inputs = attentionInputs(c, 60);
    // Logits near 5000 err by 5e-4, and so do the probabilities.
    const expected = denseForward(denseOf(c), inputs.q, inputs.k, inputs.v).out;
    expectAllClose(runAttention(c, inputs).out, expected, { rtol: 2e-3, atol: 2e-3 });
  });

  it("gives NaN where every visible logit is -Infinity, which is not the same as seeing nobody", () => {
    const c = { B: 1, T: 2, S: 2, H: 1, K: 1, D: 1, options: { scale: 1 } };
    const [q, k, v] = [Float32Array.of(1, 1), Float32Array.of(-Infinity, 1), Float32Array.of(1, 1)];
    const { out, lse } = runAttention(c, { q, k, v, dout: q });
    expect([...out]).toEqual([Number.NaN, 1]);
    expect([...lse]).toEqual([Number.NaN, 1]);
  });

  for (const [T, S, queryOffset] of [
    [140, 140, 0],
    [1, 140, 70],
    [5, 700, 300],
  ] as const) {
    const [H, D] = [2, 6];
    const { start, limit } = randomIntervals(S, queryOffset + T, 70);
    const masks = {
      "a causal mask": {},
      "a window": { window: 30 },
      intervals: { start: intTensor(start, [1, S]), limit: intTensor(limit, [1, S]) },
    };
    for (const [kind, mask] of Object.entries(masks)) {
      it(`lets a bad key or value reach exactly the queries that see it: ${T} queries, ${S} keys, ${kind}`, () => {
        const c: AttentionCase = { B: 1, T, S, H, K: 1, D, options: causal(D, { queryOffset, ...mask }) };
        const clean = attentionInputs(c, 71);
        const key = Math.floor(S / 2) + 3;
        for (const [name, bad] of [
          ["k", Number.NaN],
          ["v", Number.NaN],
          ["v", Infinity],
        ] as const) {
          expectPoison(c, clean, poison(clean, name, key * D + 2, bad), key);
        }
      });
    }
  }

  it("keeps a bad query or output gradient from keys that it doesn't see", () => {
    const [T, D, query] = [140, 6, 77];
    const c: AttentionCase = { B: 1, T, S: T, H: 1, K: 1, D, options: causal(D, { window: 50 }) };
    const clean = attentionInputs(c, 80);
    const expected = runAttention(c, clean);
    for (const name of ["q", "dout"] as const) {
      const { dq, dk, dv } = runAttention(c, poison(clean, name, query * D + 1, Number.NaN));
      for (let j = 0; j < T; j++) {
        const at = (data: Float32Array) => data.subarray(j * D, (j + 1) * D);
        if (sees(c, 0, query, j)) {
          expect([at(dk).some(Number.isNaN), at(dv).some(Number.isNaN)]).toEqual([true, true]);
        } else {
          expect([at(dk), at(dv)]).toEqual([at(expected.dk), at(expected.dv)]);
        }
        if (j !== query) expect(at(dq)).toEqual(at(expected.dq));
      }
    }
  });

  it("gives the same bits every time and for any number of threads", () => {
    const many = { B: 1, T: 300, S: 300, H: 3, K: 1, D: 17, options: causal(17, { window: 200 }) };
    const one = { B: 1, T: 1, S: 1500, H: 2, K: 2, D: 16, options: causal(16, { queryOffset: 1499 }) };
    const before = threads();
    try {
      const runs = [1, 2, 2, 3].map((count) => {
        setThreads(count);
        return [many, one].map((c) => runAttention(c, attentionInputs(c, 90)));
      });
      for (const run of runs) expect(run).toEqual(runs[0]);
    } finally {
      setThreads(before);
    }
  });
});

describe("attention's errors", () => {
  const options = { scale: 1 };
  const pair = (a: number[], b: number[]) => ({
    start: intTensor(Int32Array.from(a), [1, a.length]),
    limit: intTensor(Int32Array.from(b), [1, b.length]),
  });
  const forward =
    (more: object, heads = 2) =>
    () =>
      attentionForward(
        zeros([1, 3, heads, 4]),
        zeros([1, 3, 2, 4]),
        zeros([1, 3, 2, 4]),
        zeros([1, 3, heads, 4]),
        zeros([1, heads, 3]),
        { ...options, ...more },
      );

  it("name the key whose interval is wrong", () => {
    expect(forward(pair([0, 3, 0], [3, 2, 3]))).toThrow("start[0, 1] must be from 0 to limit[0, 1] = 2, got 3");
    expect(forward(pair([0, 0, -1], [3, 2, 3]))).toThrow("start[0, 2] must be from 0 to limit[0, 2] = 3, got -1");
  });

  it("want start and limit together and of the right shape", () => {
    expect(forward({ start: pair([0], [1]).start })).toThrow("start must have shape [1, 3], got [1, 1]");
    expect(forward({ start: pair([0, 0, 0], []).start })).toThrow("start and limit must be given together");
  });

  it("refuse negative positions, windows, offsets and caps", () => {
    const positions = intTensor(Int32Array.of(0, 1, -2), [1, 3]);
    expect(forward({ keyPositions: positions })).toThrow("keyPositions[0, 2] must not be negative, got -2");
    expect(forward({ queryPositions: positions })).toThrow("queryPositions[0, 2] must not be negative, got -2");
    expect(forward({ queryIndices: positions })).toThrow("queryIndices[0, 2] must not be negative, got -2");
    expect(forward({ window: -1 })).toThrow("window must be an integer from 0");
    expect(forward({ queryOffset: -1 })).toThrow("queryOffset must be an integer from 0");
    expect(forward({ softcap: -1 })).toThrow("softcap must be 0 (none) or more, got -1");
    expect(forward({ scale: Number.NaN })).toThrow("scale must be a finite number");
  });

  it("refuse query indices beside an offset, and indices of another shape", () => {
    const queryIndices = intTensor(Int32Array.of(0, 1, 2), [1, 3]);
    expect(forward({ queryIndices, queryOffset: 0 })).toThrow("queryIndices take the place of queryOffset, got both");
    expect(forward({ queryIndices: intTensor(Int32Array.of(0, 1), [1, 2]) })).toThrow(
      "queryIndices must have shape [1, 3], got [1, 2]",
    );
  });

  it("refuse coefficients of other heads, and targets without coefficients", () => {
    const [x, lse] = [zeros([1, 3, 2, 4]), zeros([1, 2, 3])];
    const backward = (more: object) => () =>
      attentionBackward(x, x, x, x, x, lse, zeros(x.shape), zeros(x.shape), zeros(x.shape), { ...options, ...more });
    expect(backward({ zregCoefficients: zeros([3]) })).toThrow("zregCoefficients must have shape [2], got [3]");
    expect(backward({ zregTargets: zeros([1, 3]) })).toThrow("zregTargets need zregCoefficients beside them");
    expect(backward({ zregTargets: zeros([3]), zregCoefficients: zeros([2]) })).toThrow(
      "zregTargets must have shape [1, 3], got [3]",
    );
  });

  it("say which shapes don't fit", () => {
    expect(forward({}, 3)).toThrow("q must have a multiple of k's heads, got 3 and 2");
    const x = zeros([1, 3, 2, 4]);
    const lse = zeros([1, 2, 3]);
    expect(() => attentionForward(x, zeros([1, 3, 2, 5]), x, x, lse, options)).toThrow(
      "attentionForward: k must have shape [1, any, any, 4], got [1, 3, 2, 5]",
    );
    expect(() => attentionBackward(x, x, x, x, x, lse, x, x, zeros([1, 4, 2, 4]), options)).toThrow(
      "attentionBackward: dv must have shape [1, 3, 2, 4], got [1, 4, 2, 4]",
    );
  });
});

/** Causal up to `length`; the tokens after it are padding. */
function padding(tokens: number, length: number) {
  const start = Int32Array.from({ length: tokens }, (_, j) => (j < length ? j : 0));
  const limit = Int32Array.from({ length: tokens }, (_, j) => (j < length ? length : 0));
  return { start: intTensor(start, [1, tokens]), limit: intTensor(limit, [1, tokens]) };
}

function poison(inputs: AttentionInputs, name: keyof AttentionInputs, index: number, value: number): AttentionInputs {
  const poisoned = inputs[name].slice();
  poisoned[index] = value;
  return { ...inputs, [name]: poisoned };
}

/** Queries that see `key` must feel it; the others must keep their very bits. */
function expectPoison(c: AttentionCase, clean: AttentionInputs, poisoned: AttentionInputs, key: number): void {
  const expected = runAttention(c, clean);
  const actual = runAttention(c, poisoned);
  for (let row = 0; row < c.T * c.H; row++) {
    for (const name of ["out", "dq"] as const) {
      const at = (data: Float32Array) => data.subarray(row * c.D, (row + 1) * c.D);
      if (sees(c, 0, Math.floor(row / c.H), key)) expect(at(actual[name]).every(Number.isFinite)).toBe(false);
      else expect(at(actual[name])).toEqual(at(expected[name]));
    }
  }
}
