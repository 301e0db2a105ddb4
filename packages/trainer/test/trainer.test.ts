import { expectAllClose, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { type MicroBatch, Trainer } from "../src/trainer.js";
import { tinyRecipe } from "./support/tiny-recipe.js";

const seqLen = 8;

function batchOf(rows: number, seed: number, ignored: readonly number[] = []): MicroBatch {
  const tokens = randomInts(rows * seqLen, 37, seed);
  const targets = randomInts(rows * seqLen, 37, seed + 50);
  for (const i of ignored) targets[i] = -1;
  return { tokens, targets, lossTokens: targets.length - ignored.length };
}

function joined(batches: readonly MicroBatch[]): MicroBatch {
  return {
    tokens: Int32Array.from(batches.flatMap(({ tokens }) => [...tokens])),
    targets: Int32Array.from(batches.flatMap(({ targets }) => [...targets])),
    lossTokens: batches.reduce((sum, { lossTokens }) => sum + lossTokens, 0),
  };
}

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

  it("refuses a step without a loss token", () => {
    const empty = { tokens: new Int32Array(8), targets: new Int32Array(8).fill(-1), lossTokens: 0 };
    expect(() => new Trainer(tinyRecipe()).step([empty])).toThrow("at least one target that is not -1");
  });
});
