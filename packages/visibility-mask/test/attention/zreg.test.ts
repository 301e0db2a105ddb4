import {
  attentionInputs,
  denseForward,
  expectAllClose,
  finiteDifference,
  randomFloats,
  zregPenalty,
} from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VisibilityMask } from "../../src/mask.js";
import { type Case, denseOf, expectAgrees, forEachBackend, runAttention, tolerance } from "../support/attention.js";
import { mask as anyMask, window as anyWindow } from "../support/random-masks.js";

describe("attention's penalty on logsumexp", () => {
  forEachBackend(() => {
    it("agrees with dense attention for random masks and coefficients, with and without targets", () => {
      fc.assert(
        fc.property(
          anyMask,
          anyWindow,
          fc.boolean(),
          fc.constantFrom(0, 2),
          fc.nat(1e6),
          (mask, window, aimed, softcap, seed) => {
            const coefficient = Float32Array.of(0.1, 0, 0.02);
            const targets = aimed ? randomFloats(mask.batchSize * mask.seqLen, seed) : undefined;
            expectAgrees(
              { H: 3, K: 1, D: 4, options: { mask, window, softcap, zreg: { coefficient, targets } } },
              seed,
            );
          },
        ),
        { numRuns: 40, seed: 22 },
      );
    });

    it("has the gradient of c · (lse − z0)², summed over rows that see something, by finite differences", () => {
      // The third token sees nobody, the last is padding.
      const mask = new VisibilityMask({
        start: Int32Array.of(0, 1, 3, 3, 0),
        limit: Int32Array.of(2, 2, 3, 4, 0),
        allowBlind: true,
      });
      const coefficient = Float32Array.of(0.5, 0.25);
      const targets = Float32Array.of(0.5, -1, 3, 0, 2);
      const c: Case = { H: 2, K: 1, D: 3, options: { mask, softcap: 3, zreg: { coefficient, targets } } };
      const dense = denseOf(c);
      const inputs = attentionInputs(dense, 9);
      const { q, k, v, dout } = inputs;
      const loss = (a: ArrayLike<number>, b: ArrayLike<number>) => {
        const { out, lse } = denseForward(dense, a, b, v);
        return out.reduce((sum, value, i) => sum + value * (dout[i] as number), 0) + zregPenalty(dense, lse);
      };
      const { dq, dk } = runAttention(c, inputs);
      expectAllClose(
        dq,
        finiteDifference((x) => loss(x, k), q),
        tolerance,
      );
      expectAllClose(
        dk,
        finiteDifference((x) => loss(q, x), k),
        tolerance,
      );
    });

    it("takes one coefficient for all heads, and leaves dv alone", () => {
      const mask = VisibilityMask.causal(9);
      const run = (zreg?: { coefficient: number | Float32Array }) => {
        const c: Case = { H: 2, K: 2, D: 4, options: { mask, zreg } };
        return runAttention(c, attentionInputs(denseOf(c), 3));
      };
      const [none, one, each] = [run(), run({ coefficient: 0.3 }), run({ coefficient: Float32Array.of(0.3, 0.3) })];
      expect(one).toEqual(each);
      expect(one.dv).toEqual(none.dv);
      expect(one.dq).not.toEqual(none.dq);
      expect(run({ coefficient: 0 })).toEqual(none);
    });
  });
});
