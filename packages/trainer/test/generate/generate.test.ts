import { intTensor } from "@cai/native";
import { expectAllClose, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { Arena } from "../../src/autograd/arena.js";
import { Tape } from "../../src/autograd/tape.js";
import { generateTokens } from "../../src/generate/generate.js";
import { KeyValueCache } from "../../src/generate/key-value-cache.js";
import type { Transformer } from "../../src/model/transformer.js";
import { Trainer } from "../../src/trainer.js";
import { referenceLogits } from "../support/reference-transformer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

/** The logits behind each part of a sequence that is fed to a cache in `parts`. */
function cachedLogits(model: Transformer, parts: readonly Int32Array[]): number[][] {
  const cache = new KeyValueCache(model.config, 16);
  return parts.map((part) => {
    const positions = Int32Array.from(part, (_, i) => cache.length + i);
    const tape = new Tape(new Arena(), { recording: false });
    const logits = model.nextLogits(tape, part, intTensor(positions, [1, part.length]), (layer, qkv) =>
      cache.attend(tape, layer, qkv),
    );
    cache.advance(part.length);
    return [...logits.data];
  });
}

describe.each(Object.entries(architectures))("generation: %s", (_, architecture) => {
  it("computes from its cache what the whole sequence gives", () => {
    const { model, recipe } = new Trainer(tinyRecipe(architecture));
    const tokens = randomInts(12, 37, 1);
    const expected = referenceLogits(recipe.model, new Map(model.parameters.views(model.parameters.values)), tokens);
    const parts = [tokens.subarray(0, 5), tokens.subarray(5, 6), tokens.subarray(6, 10), tokens.subarray(10, 12)];
    const logits = cachedLogits(model, parts);
    for (const [part, position] of [4, 5, 9, 11].entries()) {
      expectAllClose(logits[part] ?? [], expected[position] ?? [], { rtol: 1e-4, atol: 2e-5 });
    }
  });
});

describe("generateTokens", () => {
  const { model } = new Trainer(tinyRecipe());
  const prompt = [1, 2, 3];
  const tokens = (options: object) => [...generateTokens(model, prompt, { maxTokens: 10, ...options })];

  it("gives the same tokens for the same seed, and others for another", () => {
    expect(tokens({ seed: 5 })).toEqual(tokens({ seed: 5 }));
    expect(tokens({ seed: 5 })).not.toEqual(tokens({ seed: 6 }));
  });

  it("makes maxTokens of them, or as many as the model has positions for", () => {
    expect(tokens({ maxTokens: 4 })).toHaveLength(4);
    expect(tokens({ maxTokens: 0 })).toHaveLength(0);
    expect(tokens({ maxTokens: 1000 })).toHaveLength(16 - prompt.length);
  });

  it("ends before the end-of-text token", () => {
    const all = tokens({ temperature: 0 });
    const end = all[3] as number;
    expect(tokens({ temperature: 0, endOfText: end })).toEqual(all.slice(0, all.indexOf(end)));
  });

  it("says what a prompt may be", () => {
    const run = (length: number) => () => [...generateTokens(model, new Int32Array(length), { maxTokens: 1 })];
    expect(run(0)).toThrow("the prompt must have 1 to 15 tokens");
    expect(run(16)).toThrow("got 16");
  });
});
