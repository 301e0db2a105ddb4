import { randomFloats } from "@cai/test-utils";
import { VisibilityMask } from "@cai/visibility-mask";
import { describe, expect, it } from "vitest";
import { checkAttention } from "../src/lib/visibility/attention-checks.js";
import { viewsOf } from "../src/lib/visibility/attention-range.js";
import { bruteForce, knownMask } from "../src/lib/visibility/known-masks.js";
import { maskChecks, type View } from "../src/lib/visibility/mask-checks.js";
import { conversationsOf } from "../src/lib/visibility/random-trees.js";
import { lossAndGradients, type SmallBatch, smallWeights, type Weights } from "../src/lib/visibility/small-model.js";
import { compareTrees } from "../src/lib/visibility/tree-gradients.js";

const names = Object.keys(maskChecks) as (keyof typeof maskChecks)[];

describe("the oracle of masks", () => {
  it("draws every pattern, and finds nothing wrong with them", () => {
    const indices = Array.from({ length: 150 }, (_, i) => i);
    expect(new Set(indices.map((index) => knownMask(index).pattern)).size).toBe(14);
    for (const view of indices.slice(0, 40).flatMap(viewsOf)) {
      expect(names.filter((name) => !maskChecks[name](view))).toEqual([]);
      expect(checkAttention(view, 1).failed).toEqual([]);
    }
  });

  it("notices a single cell that is wrong, in every check", () => {
    const mask = VisibilityMask.causal(70);
    const known = {
      pattern: "causal",
      mask,
      sees: (_: number, i: number, j: number) => j <= i,
      position: (_: number, i: number) => i,
    };
    for (const window of [0, 5]) {
      const dense = bruteForce(known, window);
      // In a block that is empty otherwise, of a query that is among those decoded.
      const wrong: View = { mask, window, dense: dense.with(5 * 70 + 8, 1) };
      expect(names.filter((name) => maskChecks[name](wrong))).toEqual([]);
      expect(checkAttention(wrong, 2).failed).toEqual(["seen", "values", "gradients", "decode"]);
    }
  });
});

describe("the oracle of trees", () => {
  it("knows the conversations that a tree stands for", () => {
    const tree = {
      turns: [
        { tokens: [1, 2] },
        { tokens: [3], loss: false },
        { tokens: [4, 5], parent: 0 },
        { tokens: [6], parent: -1 },
      ],
      weight: 2,
    };
    expect(conversationsOf(tree)).toEqual([
      { tokens: [1, 2, 3], loss: [false, true, false], weight: 2 },
      { tokens: [1, 2, 4, 5], loss: [false, true, true, true], weight: 2 },
      { tokens: [6], loss: [false], weight: 2 },
    ]);
  });

  it("has a small model whose gradients are the slopes of its loss", () => {
    const vocabSize = 17;
    const weights = smallWeights(vocabSize, (count, scale) => randomFloats(count, count, scale));
    const batch: SmallBatch = {
      tokens: Int32Array.from({ length: 30 }, (_, i) => (i * 7) % vocabSize),
      mask: VisibilityMask.packed([14, 11], { seqLen: 30 }),
      rows: Int32Array.of(0, 3, 3, 20, 24),
      targets: Int32Array.of(4, 9, 2, 16, 0),
      weights: Float32Array.of(1, 0.5, 2, 1, 3),
    };
    const { gradients } = lossAndGradients(weights, batch);
    for (const [name, tensor] of Object.entries(weights)) {
      const direction = randomFloats(tensor.data.length, 5);
      const at = (step: number) => {
        const data = tensor.data.map((value, i) => value + step * (direction[i] as number));
        return lossAndGradients({ ...weights, [name]: { ...tensor, data } } as Weights, batch).loss;
      };
      const slope = direction.reduce((sum, value, i) => sum + value * (gradients[name]?.data[i] as number), 0);
      // A float32 loss near 30 has steps of 2e-6; the third derivative along a direction this long is not small.
      expect((at(1e-3) - at(-1e-3)) / 2e-3).toBeCloseTo(slope, 1);
    }
  });

  it("finds merged trees to be their conversations", () => {
    // Float32 sums of some hundred terms in another order.
    expect(compareTrees(6).maxRelDiff).toBeLessThan(1e-5);
  });
});
