import { attentionInputs, denseForward, expectAllClose, finiteDifference, randomInts } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attention, attentionBackward, attentionDecode, attentionForward } from "../../src/attention/attention.js";
import type { FloatTensor } from "../../src/attention/options.js";
import { VisibilityMask } from "../../src/mask.js";
import {
  type Case,
  denseOf,
  expectAgrees,
  forEachBackend,
  runAttention,
  tensor,
  tolerance,
} from "../support/attention.js";
import { mask as anyMask, window as anyWindow } from "../support/random-masks.js";

const heads = fc.record({
  K: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 3 }),
  D: fc.integer({ min: 1, max: 20 }),
});

/** Replies of `step` tokens each; every other one answers the third token of the one before it, the rest begin anew. */
const comb = (seqLen: number, step: number) =>
  VisibilityMask.tree(
    Array.from({ length: seqLen }, (_, i) => {
      if (i % step > 0) return i - 1;
      return (i / step) % 2 === 1 ? i - step + 2 : -1;
    }),
  );

/** Wide enough for whole tiles to be skipped, and of awkward sizes. */
const wide: Record<string, VisibilityMask> = {
  causal: VisibilityMask.causal(203),
  bidirectional: VisibilityMask.bidirectional(131),
  "prefix LM": VisibilityMask.prefixLm(70, 190),
  packed: VisibilityMask.packed([1, 64, 65, 30], { seqLen: 211 }),
  tree: comb(230, 37),
  "shared prompt": VisibilityMask.sharedPrompt(67, [80, 1, 66]),
  beams: VisibilityMask.beams({ promptLength: 71, beams: 5, length: 23 }),
  rows: VisibilityMask.stack([
    VisibilityMask.concat([VisibilityMask.bidirectional(66), comb(70, 9)], { seqLen: 150 }),
    VisibilityMask.padding(150),
    VisibilityMask.causal(150),
  ]),
};

describe("attention", () => {
  forEachBackend(() => {
    for (const [name, mask] of Object.entries(wide)) {
      it.each([0, 20, 100])(`agrees with dense attention for a wide mask: ${name}, window %i`, (window) => {
        expectAgrees({ H: 2, K: 1, D: 6, options: { mask, window } }, 1);
      });
    }

    it("agrees with dense attention for random masks, windows, caps, scales and head counts", () => {
      const more = fc.record({
        softcap: fc.constantFrom(0, 2),
        scale: fc.constantFrom(undefined, 0.7),
        seed: fc.nat(1e6),
      });
      fc.assert(
        fc.property(anyMask, anyWindow, heads, more, (mask, window, { K, group, D }, { softcap, scale, seed }) => {
          const options = { mask, window, softcap, ...(scale && { scale }) };
          expectAgrees({ H: K * group, K, D, options }, seed);
        }),
        { numRuns: 60, seed: 20 },
      );
    });

    it("takes 65,536 tokens with a window, whose square would never end", () => {
      const [T, window] = [65_536, 12];
      const c: Case = { H: 1, K: 1, D: 1, options: { mask: VisibilityMask.causal(T), window, scale: 0 } };
      const { v, ...others } = attentionInputs(denseOf(c), 4);
      const { out, lse } = runAttention(c, { v, ...others });
      // Logits of 0: the mean of what is seen.
      for (const t of [0, 1, 70, 40_000, T - 1]) {
        const seen = [...v.subarray(Math.max(0, t + 1 - window), t + 1)];
        expectAllClose([lse[t] as number], [Math.log(seen.length)], tolerance);
        expectAllClose([out[t] as number], [seen.reduce((sum, value) => sum + value, 0) / seen.length], tolerance);
      }
    });

    it("has gradients equal to finite differences", () => {
      const mask = VisibilityMask.tree([-1, 0, 1, 1, 0, 4]);
      const c: Case = { H: 2, K: 1, D: 3, options: { mask, softcap: 1.5, window: 2 } };
      const dense = denseOf(c);
      const inputs = attentionInputs(dense, 5);
      const { q, k, v, dout } = inputs;
      const loss = (a: ArrayLike<number>, b: ArrayLike<number>, e: ArrayLike<number>) =>
        denseForward(dense, a, b, e).out.reduce((sum, value, i) => sum + value * (dout[i] as number), 0);
      const { dq, dk, dv } = runAttention(c, inputs);
      const difference = (part: (point: Float64Array) => number, x: Float32Array) => finiteDifference(part, x);
      expectAllClose(
        dq,
        difference((x) => loss(x, k, v), q),
        tolerance,
      );
      expectAllClose(
        dk,
        difference((x) => loss(q, x, v), k),
        tolerance,
      );
      expectAllClose(
        dv,
        difference((x) => loss(q, k, x), v),
        tolerance,
      );
    });

    it("reads q, k and v from one fused array and writes their gradients into another", () => {
      const [B, T, H, K, D] = [2, 75, 4, 2, 8];
      const mask = VisibilityMask.stack([comb(T, 10), VisibilityMask.packed([30, 40], { seqLen: T })]);
      const c: Case = { H, K, D, options: { mask } };
      const inputs = attentionInputs(denseOf(c), 30);
      const width = (H + 2 * K) * D + 2;
      const places = [
        [0, H],
        [H, K],
        [H + K, K],
      ] as const;
      const views = (data: Float32Array) =>
        places.map(([first, count]) =>
          tensor(data.subarray(first * D), [B, T, count, D], [T * width, width, D, 1]),
        ) as [FloatTensor, FloatTensor, FloatTensor];
      const fuse = (...parts: Float32Array[]) => {
        const fused = new Float32Array(B * T * width).fill(Number.NaN);
        parts.forEach((part, i) => {
          const [first, count] = places[i] as readonly [number, number];
          for (let row = 0; row < B * T; row++) {
            fused.set(part.subarray(row * count * D, (row + 1) * count * D), row * width + first * D);
          }
        });
        return fused;
      };
      const gradient = new Float32Array(B * T * width).fill(Number.NaN);
      const [q, k, v] = views(fuse(inputs.q, inputs.k, inputs.v));
      const [out, lse] = [
        tensor(new Float32Array(B * T * H * D), [B, T, H, D]),
        tensor(new Float32Array(B * H * T), [B, H, T]),
      ];
      attentionForward(q, k, v, out, lse, c.options);
      attentionBackward(tensor(inputs.dout, [B, T, H, D]), q, k, v, out, lse, ...views(gradient), c.options);
      const expected = runAttention(c, inputs);
      expect(out.data).toEqual(expected.out);
      expect(gradient).toEqual(fuse(expected.dq, expected.dk, expected.dv));
    });

    it("gives the same as attentionForward and attentionBackward in new tensors", () => {
      const c: Case = { H: 2, K: 2, D: 5, options: { mask: wide.beams as VisibilityMask, window: 40 } };
      const dense = denseOf(c);
      const inputs = attentionInputs(dense, 60);
      const { T, S } = dense;
      const [q, k, v, dout] = [inputs.q, inputs.k, inputs.v, inputs.dout].map((data) => tensor(data, [1, T, 2, 5])) as [
        FloatTensor,
        FloatTensor,
        FloatTensor,
        FloatTensor,
      ];
      const { out, lse, backward } = attention(q, k, v, c.options);
      const { dq, dk, dv } = backward(dout);
      const actual = { out: out.data, lse: lse.data, dq: dq.data, dk: dk.data, dv: dv.data };
      expect(actual).toEqual(runAttention(c, inputs));
      expect(dk.shape).toEqual([1, S, 2, 5]);
    });
  });
});

describe("attention with queryIndices", () => {
  forEachBackend(() => {
    it("agrees with dense attention for any order of queries, repeated ones and windows", () => {
      fc.assert(
        fc.property(
          anyMask,
          anyWindow,
          heads,
          fc.integer({ min: 1, max: 9 }),
          fc.nat(1e6),
          (mask, window, h, T, seed) => {
            fc.pre(mask.seqLen > 0);
            const queryIndices = randomInts(mask.batchSize * T, mask.seqLen, seed);
            expectAgrees({ T, H: h.K * h.group, K: h.K, D: h.D, options: { mask, window, queryIndices } }, seed);
          },
        ),
        { numRuns: 40, seed: 21 },
      );
    });

    it("decodes beams over a cache as the full forward pass does, whatever lies in slots that are not filled", () => {
      const [promptLength, beams, length, H, K, D] = [70, 4, 5, 4, 2, 8];
      const mask = VisibilityMask.beams({ promptLength, beams, length });
      const c: Case = { H, K, D, options: { mask, window: 50 } };
      const { q, k, v, dout } = attentionInputs(denseOf(c), 70);
      const full = runAttention(c, { q, k, v, dout });
      const S = mask.seqLen;
      const [keys, values] = [new Float32Array(k.length).fill(Number.NaN), new Float32Array(v.length).fill(Number.NaN)];
      const fill = (from: number, to: number) => {
        keys.set(k.subarray(from * K * D, to * K * D), from * K * D);
        values.set(v.subarray(from * K * D, to * K * D), from * K * D);
      };
      fill(0, promptLength);
      for (let step = 0; step < length; step++) {
        const slots = Int32Array.from(
          { length: beams },
          (_, beam) => promptLength + (beams - 1 - beam) * length + step,
        );
        for (const slot of slots) fill(slot, slot + 1);
        const rows = [...slots].flatMap((slot) => [...q.subarray(slot * H * D, (slot + 1) * H * D)]);
        const cache = (data: Float32Array) => tensor(data, [1, S, K, D]);
        const query = tensor(Float32Array.from(rows), [1, beams, H, D]);
        const options = { ...c.options, queryIndices: slots };
        const { out, lse } = attentionDecode(query, cache(keys), cache(values), options);
        slots.forEach((slot, t) => {
          const expected = full.out.subarray(slot * H * D, (slot + 1) * H * D);
          expectAllClose(out.data.subarray(t * H * D, (t + 1) * H * D), expected, tolerance);
          for (let h = 0; h < H; h++) {
            expectAllClose([lse.data[h * beams + t] as number], [full.lse[h * S + slot] as number], tolerance);
          }
        });
      }
    });
  });
});
