import { describe, expect, it, vi } from "vitest";
import { generateTokens } from "../../src/generate/generate.js";
import { sampleAnswers } from "../../src/generate/sample-answers.js";
import { Trainer } from "../../src/trainer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

const prompt = [1, 2, 3];

describe.each(Object.entries(architectures))("answers to a shared prompt: %s", (_, architecture) => {
  const { model } = new Trainer(tinyRecipe(architecture));

  it("are those of generating one text, the first with the same seed, all at temperature 0", () => {
    const options = { maxTokens: 10, seed: 7 };
    expect(sampleAnswers(model, prompt, { ...options, count: 3 })[0]?.tokens).toEqual([
      ...generateTokens(model, prompt, options),
    ]);
    const greedy = [...generateTokens(model, prompt, { ...options, temperature: 0 })];
    for (const { tokens } of sampleAnswers(model, prompt, { ...options, count: 5, temperature: 0 })) {
      expect(tokens).toEqual(greedy);
    }
  });

  it("do not depend on how many others there are", () => {
    const answers = (count: number) => sampleAnswers(model, prompt, { maxTokens: 8, count, seed: 3, endOfText: 5 });
    const many = answers(20);
    for (const count of [1, 2, 7]) expect(many.slice(0, count)).toEqual(answers(count));
    expect(new Set(many.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(15);
  });
});

describe("sampleAnswers", () => {
  const { model } = new Trainer(tinyRecipe());

  it("leaves answers that have ended out of the batch", () => {
    const nextLogits = vi.spyOn(model, "nextLogits");
    const options = { maxTokens: 13, count: 12, seed: 2 };
    // A token that is among those that one of them would draw.
    const endOfText = sampleAnswers(model, prompt, options)[5]?.tokens[4] as number;
    nextLogits.mockClear();
    const answers = sampleAnswers(model, prompt, { ...options, endOfText });
    const rows = nextLogits.mock.calls.slice(1).map(([, tokens]) => tokens.length);
    const lengths = answers.map(({ tokens }) => tokens.length);
    // Behind `made` tokens those go on that have more than that.
    expect(rows).toEqual(rows.map((_, i) => lengths.filter((length) => length > i).length));
    expect(rows.at(-1)).toBeLessThan(12);
    expect(answers.map(({ ended }) => ended)).toEqual(lengths.map((length) => length < 13));
  });

  it("gives other answers for another seed", () => {
    const answers = (seed: number) => sampleAnswers(model, prompt, { maxTokens: 6, count: 2, seed });
    expect(answers(1)).toEqual(answers(1));
    expect(answers(1)).not.toEqual(answers(2));
  });

  it("gives empty answers when there is nothing to make", () => {
    const none = { tokens: [], ended: false };
    expect(sampleAnswers(model, prompt, { maxTokens: 0, count: 2 })).toEqual([none, none]);
  });

  it("says what count may be", () => {
    expect(() => sampleAnswers(model, prompt, { maxTokens: 1, count: 0 })).toThrow(
      "count must be an integer of at least 1, got 0",
    );
  });
});
