import { type AttentionInputs, attentionInputs, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { attentionBackward, attentionForward } from "../../src/attention/attention.js";
import type { AttentionOptions } from "../../src/attention/options.js";
import { VisibilityMask } from "../../src/mask.js";
import { type Case, denseOf, forEachBackend, runAttention, tensor } from "../support/attention.js";

const D = 4;

/** The values of one token, over all its heads. */
const tokenOf = (data: Float32Array, token: number, heads: number) =>
  data.subarray(token * heads * D, (token + 1) * heads * D);

function poison(inputs: AttentionInputs, name: keyof AttentionInputs, index: number, value: number): AttentionInputs {
  const poisoned = inputs[name].slice();
  poisoned[index] = value;
  return { ...inputs, [name]: poisoned };
}

describe("attention at the edges", () => {
  forEachBackend(() => {
    it("gives zeros and -Infinity to queries that see nobody, which take no part in gradients", () => {
      const [T, H] = [131, 2];
      const packed = VisibilityMask.packed([40, 60], { seqLen: T });
      // Token 20 is seen by nobody and, as all before it are hidden from it, blind.
      const [start, limit] = [packed.start.slice(), packed.limit.slice()];
      limit.fill(20, 0, 20);
      limit[20] = 20;
      const mask = new VisibilityMask({ start, limit, allowBlind: true });
      const c: Case = { H, K: H, D, options: { mask, zreg: { coefficient: 0.1 } } };
      const { out, lse, dq, dk, dv } = runAttention(c, attentionInputs(denseOf(c), 50));
      const blind = [20, ...Array.from({ length: T - 100 }, (_, i) => 100 + i)];
      for (const token of blind) {
        for (const data of [out, dq, dk, dv]) expect(tokenOf(data, token, H)).toEqual(new Float32Array(H * D));
        for (let h = 0; h < H; h++) expect(lse[h * T + token]).toBe(-Infinity);
      }
      expect(lse.filter(Number.isFinite)).toHaveLength(H * (T - blind.length));
      for (const data of [out, dq, dk, dv]) expect(data.every(Number.isFinite)).toBe(true);
    });

    it("gives zeros for rows of padding alone", () => {
      const c: Case = { H: 1, K: 1, D, options: { mask: VisibilityMask.padding(70), window: 3 } };
      const { lse, ...others } = runAttention(c, attentionInputs(denseOf(c), 51));
      expect(lse).toEqual(new Float32Array(70).fill(-Infinity));
      for (const data of Object.values(others)) expect(data).toEqual(new Float32Array(70 * D));
    });

    it("does nothing where there is no query", () => {
      const options = { mask: VisibilityMask.causal(5), queryIndices: new Int32Array(0) };
      const c: Case = { T: 0, H: 1, K: 1, D, options };
      const { out, dk, dv } = runAttention(c, attentionInputs(denseOf(c), 52));
      expect([out, dk, dv].map((data) => [...data])).toEqual([[], Array(20).fill(0), Array(20).fill(0)]);
    });

    it("survives logits whose exponential overflows", () => {
      const c: Case = { H: 1, K: 1, D, options: { mask: VisibilityMask.causal(80), scale: 1000 } };
      const { out, lse } = runAttention(c, attentionInputs(denseOf(c), 60));
      expect([...out, ...lse].every(Number.isFinite)).toBe(true);
    });

    it("gives NaN where every visible logit is -Infinity, which is not the same as seeing nobody", () => {
      const x = Float32Array.of(1, 1);
      const c: Case = { H: 1, K: 1, D: 1, options: { mask: VisibilityMask.causal(2), scale: 1 } };
      const { out, lse } = runAttention(c, { q: x, k: Float32Array.of(-Infinity, 1), v: x, dout: x });
      expect([...out]).toEqual([Number.NaN, 1]);
      expect([...lse]).toEqual([Number.NaN, 1]);
    });

    const tree = VisibilityMask.tree(
      Array.from({ length: 140 }, (_, i) => (i % 35 === 0 ? Math.min(i - 1, 2) : i - 1)),
    );
    const masks: Record<string, AttentionOptions> = {
      "a causal mask": { mask: VisibilityMask.causal(140) },
      "packed documents": { mask: VisibilityMask.packed([50, 41], { seqLen: 140 }) },
      "a tree with a window": { mask: tree, window: 30 },
      "queries in any order": { mask: tree, queryIndices: randomInts(9, 140, 5) },
    };
    for (const [kind, options] of Object.entries(masks)) {
      const [H, K, key] = [2, 1, 73];
      const T = options.queryIndices?.length ?? 140;
      const c: Case = { T, H, K, D, options };
      const dense = denseOf(c);
      const clean = attentionInputs(dense, 71);

      it(`lets a bad key or value reach exactly the queries that see it: ${kind}`, () => {
        const expected = runAttention(c, clean);
        for (const [name, bad] of [
          ["k", Number.NaN],
          ["v", Number.NaN],
          ["v", Infinity],
        ] as const) {
          const actual = runAttention(c, poison(clean, name, key * K * D + 2, bad));
          for (let t = 0; t < T; t++) {
            for (const part of ["out", "dq"] as const) {
              const values = tokenOf(actual[part], t, H);
              if (dense.sees(0, t, key)) expect(values.every(Number.isFinite)).toBe(false);
              else expect(values).toEqual(tokenOf(expected[part], t, H));
            }
          }
        }
      });

      it(`keeps a bad query or output gradient from keys that it doesn't see: ${kind}`, () => {
        const expected = runAttention(c, clean);
        const query = Math.min(77, T - 2);
        for (const name of ["q", "dout"] as const) {
          const actual = runAttention(c, poison(clean, name, query * H * D + 1, Number.NaN));
          for (let j = 0; j < 140; j++) {
            for (const part of ["dk", "dv"] as const) {
              const values = tokenOf(actual[part], j, K);
              if (dense.sees(0, query, j)) expect(values.some(Number.isNaN)).toBe(true);
              else expect(values).toEqual(tokenOf(expected[part], j, K));
            }
          }
        }
      });
    }
  });
});

describe("attention's errors", () => {
  const mask = VisibilityMask.causal(3);
  const zeros = (...shape: number[]) =>
    tensor(new Float32Array(shape.reduce((product, size) => product * size, 1)), shape);
  const x = zeros(1, 3, 2, 4);
  const lse = zeros(1, 2, 3);
  const forward =
    (options: object, q = x, k = x, sums = lse) =>
    () =>
      attentionForward(q, k, x, q, sums, { mask, ...options });
  const backward = (zreg: object) => () => attentionBackward(x, x, x, x, x, lse, x, x, x, { mask, zreg } as never);

  it("say what tensors must be", () => {
    expect(forward({}, [1] as never)).toThrow("attentionForward: q must be float32, got undefined");
    expect(forward({}, undefined, { ...x, dtype: "bfloat16" } as never)).toThrow("k must be float32, got bfloat16");
    expect(forward({}, { ...x, device: "cuda" })).toThrow("q must be on the CPU, got cuda: copy it first");
    expect(forward({}, { ...x, data: [1] } as never)).toThrow("q must be a Float32Array, got an array");
    expect(forward({}, zeros(3, 4))).toThrow("q must have shape [any, any, any, any], got [3, 4]");
    expect(forward({}, { ...x, shape: 4 } as never)).toThrow("q must have shape [any, any, any, any], got 4");
    expect(forward({}, { ...x, dtype: Symbol("f") } as never)).toThrow("q must be float32, got Symbol(f)");
    expect(forward({}, x, zeros(1, 3, 2, 5))).toThrow("k must have shape [1, any, any, 4], got [1, 3, 2, 5]");
    expect(forward({}, x, zeros(1, 3, 3, 4))).toThrow("q must have a multiple of k's heads, got 2 and 3");
    expect(forward({}, zeros(1, 3, 2, 0), zeros(1, 3, 2, 0))).toThrow(
      "q must have a head dimension of at least 1, got 0",
    );
    expect(forward({}, x, x, zeros(1, 3, 2))).toThrow("lse must have shape [1, 2, 3], got [1, 3, 2]");
    expect(forward({}, x, x, { ...lse, data: x.data, strides: [6, 4, 1] })).toThrow(
      "lse of shape [1, 2, 3] and strides [6, 4, 1] must be without gaps",
    );
  });

  it("say how a tensor's elements must lie", () => {
    const place = "q of shape [1, 3, 2, 4] and strides";
    const strided = (...strides: number[]) => forward({}, { ...x, strides });
    expect(strided(24, 8, 4)).toThrow(`${place} [24, 8, 4] must have 4 strides`);
    expect(strided(24, 8, 4, 2)).toThrow(`${place} [24, 8, 4, 2] must be dense in its last dimension`);
    expect(strided(24, 0, 4, 1)).toThrow(`${place} [24, 0, 4, 1] must have whole strides from 1`);
    expect(strided(24, 9, 4, 1)).toThrow(`${place} [24, 9, 4, 1] must have data of at least 26 elements, got 24`);
    expect(strided(Number.NaN, 8, 4, 1)).toThrow(`${place} [NaN, 8, 4, 1] must have whole strides from 1`);
    expect(strided(0, 8, 4, 1)).not.toThrow();
    expect(forward({}, { ...x, strides: 4 } as never)).toThrow(`${place} 4 must have 4 strides`);
    const short = { ...x, data: new Float32Array(23) };
    expect(forward({}, short)).toThrow("q of shape [1, 3, 2, 4] must have data of at least 24 elements, got 23");
  });

  it("say which mask fits, and where queries are", () => {
    expect(forward({ mask: {} })).toThrow("mask must be a VisibilityMask, got an object");
    expect(forward({ mask: { batchSize: 1, seqLen: 3 } })).toThrow("mask must be a VisibilityMask, got an object");
    const wrong = VisibilityMask.causal(4);
    expect(forward({ mask: wrong })).toThrow("mask must have 1 rows of 3 tokens, as k has, got 1 of 4");
    expect(forward({ mask: wrong }, x, zeros(1, 4, 2, 4))).toThrow("v must have shape [1, 4, 2, 4], got [1, 3, 2, 4]");
    const few = zeros(1, 2, 2, 4);
    const sums = zeros(1, 2, 2);
    expect(forward({}, few, x, sums)).toThrow(
      "2 queries and 3 keys: give queryIndices, the index in the mask of each query",
    );
    const indices = (...queryIndices: number[]) =>
      forward({ queryIndices: Int32Array.from(queryIndices) }, few, x, sums);
    expect(indices(1)).toThrow("queryIndices must have 2 elements (one a query), got 1");
    expect(indices(1, 3)).toThrow("queryIndices: query 1 of row 0 must be from 0 to 2, got 3");
    expect(indices(-1, 0)).toThrow("queryIndices: query 0 of row 0 must be from 0 to 2, got -1");
    expect(forward({ queryIndices: null })).toThrow("queryIndices must be a Int32Array, got null");
    expect(forward({ queryIndices: [0, 1, 2] })).toThrow("queryIndices must be a Int32Array, got an array");
  });

  it("refuse options out of range", () => {
    expect(forward({ window: -1 })).toThrow("window must be a whole number from 0 to 2147483647, got -1");
    expect(forward({ window: 1.5 })).toThrow("window must be a whole number");
    expect(forward({ scale: Number.NaN })).toThrow("scale must be a finite float32, got NaN");
    expect(forward({ scale: 1e300 })).toThrow("scale must be a finite float32, got 1e+300");
    expect(forward({ softcap: 1e300 })).toThrow("softcap must be");
    expect(forward({ softcap: -1 })).toThrow("softcap must be 0 (none) or more, got -1");
    expect(backward({ coefficient: -1 })).toThrow("zreg.coefficient must be finite and 0 or more, got -1");
    expect(backward({ coefficient: new Float32Array(3) })).toThrow(
      "zreg.coefficient must have 2 elements (one a head), got 3",
    );
    expect(backward({ coefficient: 1, targets: new Float32Array(2) })).toThrow(
      "zreg.targets must have 3 elements (one a query), got 2",
    );
    expect(backward({})).toThrow("zreg.coefficient must be a Float32Array, got undefined");
  });
});
