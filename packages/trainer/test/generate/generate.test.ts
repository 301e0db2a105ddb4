import { expectAllClose, randomInts } from "@cai/test-utils";
import { VisibilityMask } from "@cai/visibility-mask";
import { describe, expect, it } from "vitest";
import { Decoder } from "../../src/generate/decoder.js";
import { generateTokens } from "../../src/generate/generate.js";
import type { Transformer } from "../../src/model/transformer.js";
import { Trainer } from "../../src/trainer.js";
import { referenceLogits } from "../support/reference-transformer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

/** The logits behind each part of a sequence that is read in `parts`. */
function cachedLogits(model: Transformer, parts: readonly Int32Array[]): number[][] {
  const decoder = new Decoder(model, VisibilityMask.causal(16));
  let read = 0;
  return parts.map((part) => {
    const slots = part.map((_, i) => read + i);
    read += part.length;
    return [...decoder.read(part, slots, 1).data];
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

describe("a key-value cache", () => {
  const { model, recipe } = new Trainer(tinyRecipe(architectures["relu², multi-query, windowed"]));
  const weights = new Map(model.parameters.views(model.parameters.values));
  const lastLogits = (tokens: readonly number[]) => referenceLogits(recipe.model, weights, tokens).at(-1) ?? [];

  it("reads one token of each of several sequences at once", () => {
    const prompt = [1, 2, 3, 4, 5];
    const decoder = new Decoder(model, VisibilityMask.beams({ promptLength: 5, beams: 3, length: 2 }));
    decoder.readPrompt(prompt);
    const steps = [
      { tokens: [6, 7, 8], slots: [5, 7, 9], paths: [[6], [7], [8]] },
      // In any order, and without the first.
      {
        tokens: [9, 10],
        slots: [10, 8],
        paths: [
          [8, 9],
          [7, 10],
        ],
      },
    ];
    for (const { tokens, slots, paths } of steps) {
      const logits = decoder.read(Int32Array.from(tokens), Int32Array.from(slots));
      const expected = paths.flatMap((path) => lastLogits([...prompt, ...path]));
      expectAllClose(logits.data, expected, { rtol: 1e-4, atol: 2e-5 });
    }
  });

  it("goes on from copied slots as from its own", () => {
    const shape = { promptLength: 2, beams: 2, length: 3 };
    const decoder = new Decoder(model, VisibilityMask.beams(shape));
    decoder.readPrompt([1, 2]);
    decoder.read(Int32Array.of(3), Int32Array.of(2));
    decoder.read(Int32Array.of(4), Int32Array.of(3));
    decoder.cache.copy(2, 5, 2);
    const { data } = decoder.read(Int32Array.of(5), Int32Array.of(7));
    expectAllClose(data, lastLogits([1, 2, 3, 4, 5]), { rtol: 1e-4, atol: 2e-5 });
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
