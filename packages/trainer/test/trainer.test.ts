import { expectAllClose, randomInts } from "@cai/test-utils";
import { VisibilityMask } from "@cai/visibility-mask";
import { describe, expect, it } from "vitest";
import { causalBatch, joinBatches, type MicroBatch, treeBatch } from "../src/data/index.js";
import { Trainer } from "../src/trainer.js";
import { architectures, tinyRecipe } from "./support/tiny-recipe.js";

const seqLen = 8;

function batchOf(rows: number, seed: number, ignored: readonly number[] = []): MicroBatch {
  const tokens = randomInts(rows * seqLen, 37, seed);
  const targets = randomInts(rows * seqLen, 37, seed + 50);
  for (const i of ignored) targets[i] = -1;
  return causalBatch(tokens, targets, seqLen);
}

function joined(batches: readonly MicroBatch[]): MicroBatch {
  const all = (field: "tokens" | "targets") => Int32Array.from(batches.flatMap((batch) => [...batch[field]]));
  return causalBatch(all("tokens"), all("targets"), seqLen);
}

/** The loss and gradients of one step, which must agree to the rounding of sums in another order. */
function expectSameStep(one: readonly MicroBatch[], other: readonly MicroBatch[], model: object = {}): void {
  const [a, b] = [one, other].map((batches) => {
    const trainer = new Trainer(tinyRecipe(model));
    const { loss, gradNorm } = trainer.step(batches);
    return { figures: [loss, gradNorm], gradients: trainer.gradients() };
  });
  expectAllClose(a?.figures ?? [], b?.figures ?? [0], { rtol: 2e-6 });
  for (const [name, { data }] of a?.gradients ?? []) {
    expectAllClose(data, b?.gradients.get(name)?.data ?? [], { rtol: 1e-4, atol: 1e-6 });
  }
}

/** 5 8 [3 9 | 2 4 6] and padding: two texts that begin alike, so that their second token counts twice. */
const tree = treeBatch(
  Int32Array.of(5, 8, 3, 9, 2, 4, 6, 0),
  VisibilityMask.concat([VisibilityMask.sharedPrompt(2, [2, 3])], { seqLen }),
  Int32Array.of(-1, 0, 1, 2, 1, 4, 5, -1),
  Float32Array.of(0, 2, 1, 1, 1, 1, 1, 0),
);

describe("Trainer", () => {
  it("learns a repeated batch by heart", () => {
    const trainer = new Trainer(tinyRecipe({}, { optim: { lr: 1e-2 } }));
    const batch = batchOf(3, 1);
    const first = trainer.step([batch]).loss;
    let last = first;
    for (let i = 0; i < 150; i++) last = trainer.step([batch]).loss;
    expect(first).toBeGreaterThan(3);
    expect(last).toBeLessThan(0.2);
  });

  it("weighs every loss token alike however a step is cut into micro-batches", () => {
    const parts = [batchOf(2, 1, [0, 1, 2, 3, 4]), batchOf(1, 2), batchOf(3, 3, [9])];
    const whole = new Trainer(tinyRecipe());
    const cut = new Trainer(tinyRecipe());
    const together = whole.step([joined(parts)]);
    const apart = cut.step(parts);
    // The same sums in another order.
    expectAllClose([apart.loss, apart.gradNorm], [together.loss, together.gradNorm], { rtol: 2e-6 });
    for (const [name, { data }] of cut.gradients()) {
      expectAllClose(data, whole.gradients().get(name)?.data ?? [], { rtol: 1e-4, atol: 1e-6 });
    }
  });

  it("predicts from named rows, in any order, as from all with targets of their own", () => {
    const dense = batchOf(3, 1, [0, 4, 5, 11, 23]);
    const rows = Int32Array.from([...dense.targets.keys()].filter((i) => (dense.targets[i] as number) >= 0).reverse());
    const targets = rows.map((row) => dense.targets[row] as number);
    expectSameStep([{ ...dense, rows, targets }], [dense]);
    expectSameStep([{ ...dense, rows, targets }], [dense], { logitSoftcap: 3 });
  });

  it("counts a term as often as its weight says", () => {
    const batch = batchOf(2, 1);
    const weights = Float32Array.from(batch.targets, (_, i) => [0, 1, 2, 0.5][i % 4] as number);
    const part = (weight: number) => {
      const targets = batch.targets.map((target, i) => (weights[i] === weight ? target : -1));
      return causalBatch(batch.tokens, targets, seqLen);
    };
    const whole = { ...batch, weights, lossWeight: 4 * 3.5 };
    // The same mean: every weight is doubled.
    expectSameStep([whole], [part(1), part(1), part(2), part(2), part(2), part(2), part(0.5)]);
  });

  it.each(Object.entries(architectures))("learns from a tree what its branches teach apart: %s", (_, model) => {
    const apart = [
      causalBatch(Int32Array.of(5, 8, 3, 9), Int32Array.of(8, 3, 9, -1), 4),
      causalBatch(Int32Array.of(5, 8, 2, 4, 6), Int32Array.of(8, 2, 4, 6, -1), 5),
    ];
    expectSameStep([tree], apart, model);
    const beside = batchOf(2, 3, [4]);
    expectSameStep([joinBatches([beside, tree])], [tree, beside], model);
  });

  it("takes no more memory for another number of terms", () => {
    const trainer = new Trainer(tinyRecipe({ logitSoftcap: 3 }));
    const termsOf = (count: number) => {
      const { tokens, mask } = batchOf(3, count);
      const rows = randomInts(count, 24, count);
      return { tokens, mask, rows, targets: rows, lossTokens: count, lossWeight: count };
    };
    trainer.step([termsOf(24)]);
    const { activationBytes } = trainer;
    for (let count = 1; count < 24; count++) trainer.step([termsOf(count)]);
    expect(trainer.activationBytes).toBe(activationBytes);
  });

  it("gives the same bits for the same seed", () => {
    const run = () => {
      const trainer = new Trainer(tinyRecipe());
      const losses = [1, 2, 3].map((seed) => trainer.step([batchOf(3, seed)]).loss);
      return { losses, parameters: trainer.parameters() };
    };
    expect(run()).toEqual(run());
  });

  it("gives the same loss and gradients whatever the chunks of the logits", () => {
    const run = (chunks: object) => {
      const trainer = new Trainer(tinyRecipe({ logitSoftcap: 5 }, chunks));
      return { result: trainer.step([batchOf(3, 4, [2, 23])]), gradients: trainer.gradients() };
    };
    const whole = run({ lossChunkRows: 1000 });
    for (const chunks of [{ lossChunkRows: 7 }, { lossChunkRows: 5, lossChunkVocab: 10 }, { lossChunkVocab: 36 }]) {
      const other = run(chunks);
      expectAllClose([other.result.loss], [whole.result.loss], { rtol: 1e-6 });
      for (const [name, { data }] of other.gradients) {
        expectAllClose(data, whole.gradients.get(name)?.data ?? [], { rtol: 1e-4, atol: 1e-6 });
      }
    }
  });

  it("changes nothing and says so when a gradient is not finite", () => {
    const trainer = new Trainer(tinyRecipe());
    const poisoned = trainer.parameters().get("model.norm.weight")?.data as Float32Array;
    poisoned[0] = Number.NaN;
    const before = new Map([...trainer.parameters()].map(([name, { data }]) => [name, data.slice()]));
    expect(trainer.step([batchOf(3, 1)])).toMatchObject({ skipped: true });
    for (const [name, { data }] of trainer.parameters()) expect(data).toEqual(before.get(name));
    expect(trainer.optimizer.updates).toBe(0);
    poisoned[0] = 1;
    expect(trainer.step([batchOf(3, 1)])).toMatchObject({ skipped: false });
  });

  it("takes no more memory after the first step", () => {
    const trainer = new Trainer(tinyRecipe());
    trainer.step([batchOf(3, 1), batchOf(3, 2)]);
    const { activationBytes } = trainer;
    for (let seed = 3; seed < 8; seed++) trainer.step([batchOf(3, seed)]);
    trainer.evaluate(batchOf(3, 9));
    expect(trainer.activationBytes).toBe(activationBytes);
  });

  it("starts from given weights and hands the first gradients over before clipping", () => {
    const source = new Trainer(tinyRecipe({}, { seed: 9 }));
    let seen = 0;
    const trainer = new Trainer(tinyRecipe(), {
      initialWeights: source.parameters(),
      onGradients: (gradients) => {
        seen = Math.sqrt([...gradients.values()].flatMap(({ data }) => [...data]).reduce((sum, g) => sum + g * g, 0));
      },
    });
    expect(trainer.parameters()).toEqual(source.parameters());
    const { gradNorm } = trainer.step([batchOf(3, 1)]);
    expectAllClose([seen], [gradNorm], { rtol: 1e-6 });
  });

  it("names the tensor when given weights do not fit", () => {
    const weights = new Map(new Trainer(tinyRecipe()).parameters());
    const make = () => new Trainer(tinyRecipe(), { initialWeights: weights });
    const norm = weights.get("model.norm.weight");
    weights.delete("model.norm.weight");
    expect(make).toThrow("must hold model.norm.weight of shape [16], got no such tensor");
    if (norm) weights.set("model.norm.weight", { ...norm, shape: [4, 4] });
    expect(make).toThrow("must hold model.norm.weight of shape [16], got float32 [4,4]");
    if (norm) weights.set("model.norm.weight", norm).set("extra", norm);
    expect(make).toThrow("holds extra, which the recipe's model does not have");
  });

  it("names a token or a target outside the vocabulary", () => {
    const trainer = new Trainer(tinyRecipe());
    const batch = batchOf(3, 1);
    batch.targets[9] = 37;
    expect(() => trainer.step([batch])).toThrow("targets must be below 37, got 37 at index 9");
    batch.targets[9] = 36;
    batch.tokens[4] = -2;
    expect(() => trainer.step([batch])).toThrow(/-2.*4|4.*-2/);
    batch.tokens[4] = 2;
    expect(trainer.step([batch]).skipped).toBe(false);
  });

  it("says which of a batch's arrays does not fit, and which row is not there", () => {
    const trainer = new Trainer(tinyRecipe());
    const batch = batchOf(3, 1);
    const refuse = (change: Partial<MicroBatch>, message: string) =>
      expect(() => trainer.step([{ ...batch, ...change }])).toThrow(message);
    refuse({ tokens: new Int32Array(23) }, "tokens must have 24 elements, those of the mask, got 23");
    refuse({ targets: new Int32Array(2) }, "targets must have 24 elements, one a token as there are no rows, got 2");
    refuse({ rows: new Int32Array(23) }, "rows must have 24 elements, one a target, got 23");
    refuse({ weights: new Float32Array(1) }, "weights must have 24 elements, one a target, got 1");
    refuse({ rows: batch.targets.map((_, i) => (i === 7 ? 24 : i)) }, "24");
  });

  it("refuses a step without a loss token", () => {
    const empty = causalBatch(new Int32Array(8), new Int32Array(8).fill(-1), 8);
    expect(() => new Trainer(tinyRecipe()).step([empty])).toThrow("at least one target that is not -1");
  });
});
