import { compareBeams, logSoftmax, type PlainHypothesis, plainBeamSearch, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { beamSearch } from "../../src/generate/beam-search.js";
import type { BeamSearchOptions } from "../../src/generate/search-beams.js";
import { Trainer } from "../../src/trainer.js";
import { referenceLogits } from "../support/reference-transformer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

// Float32 logits of a few units err by some 1e-6; up to 9 of them are added.
const tolerance = 3e-5;

/** The oracle: logits in double precision from the definitions, each hypothesis read from its first token. */
function oracle({ model, recipe }: Trainer, prompt: ArrayLike<number>, endOfText: number | undefined) {
  const weights = new Map(model.parameters.views(model.parameters.values));
  const seen = new Map<string, number[]>();
  const logits = (tokens: readonly number[]) => {
    const key = tokens.join();
    const found =
      seen.get(key) ?? referenceLogits(recipe.model, weights, [...Array.from(prompt), ...tokens]).at(-1) ?? [];
    seen.set(key, found);
    return found;
  };
  const logProbOf = ({ tokens, ended }: PlainHypothesis) =>
    [...tokens, ...(ended ? [endOfText as number] : [])].reduce(
      (sum, token, i) => sum + (logSoftmax(logits(tokens.slice(0, i)))[token] as number),
      0,
    );
  return { logits, logProbOf };
}

describe.each(Object.entries(architectures))("beam search: %s", (_, architecture) => {
  const trainer = new Trainer(tinyRecipe(architecture));

  it.each([
    { beams: 1, maxTokens: 9, lengthPenalty: 0 },
    { beams: 3, maxTokens: 9, lengthPenalty: 0.6 },
    { beams: 4, maxTokens: 7, lengthPenalty: 0, endOfText: 11 },
    { beams: 5, maxTokens: 9, lengthPenalty: 1.3, endOfText: 30 },
  ])("finds what following each hypothesis by itself finds: %j", (options) => {
    for (const seed of [1, 2]) {
      const prompt = randomInts(2 + seed, 37, seed);
      const { logits, logProbOf } = oracle(trainer, prompt, options.endOfText);
      const plain = plainBeamSearch(logits, options);
      const actual = beamSearch(trainer.model, prompt, options);
      expect(compareBeams(actual, plain, { tolerance, logProbOf })).toBe("same");
    }
  });
});

describe("beam search", () => {
  const trainer = new Trainer(tinyRecipe());
  const { model } = trainer;
  const prompt = [1, 2, 3];
  const search = (options: Partial<BeamSearchOptions>) =>
    beamSearch(model, prompt, { beams: 4, maxTokens: 8, ...options });

  it("with one beam takes the most likely token each time", () => {
    const { logits } = oracle(trainer, prompt, undefined);
    const greedy: number[] = [];
    for (let i = 0; i < 6; i++) {
      const next = logits(greedy);
      greedy.push(next.indexOf(Math.max(...next)));
    }
    expect(search({ beams: 1, maxTokens: 6 })).toMatchObject([{ tokens: greedy, ended: false }]);
  });

  it("with as many beams as there are continuations finds the best of all", () => {
    const { logits } = oracle(trainer, prompt, undefined);
    const first = logSoftmax(logits([]));
    const all = first.flatMap((one, a) =>
      logSoftmax(logits([a])).map((two, b) => ({ tokens: [a, b], logProb: one + two })),
    );
    const best = all.sort((a, b) => b.logProb - a.logProb).slice(0, 3);
    const found = search({ beams: 37, maxTokens: 2, lengthPenalty: 0 });
    expect(found).toHaveLength(37);
    expect(found.slice(0, 3).map(({ tokens }) => tokens)).toEqual(best.map(({ tokens }) => tokens));
    expect(found[0]?.logProb).toBeCloseTo(best[0]?.logProb as number, 4);
  });

  it("gives the same hypotheses every time, best score first", () => {
    const found = search({ endOfText: 7 });
    expect(search({ endOfText: 7 })).toEqual(found);
    const scores = found.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it("counts the end-of-text token in log-probability and length, and leaves it out of the tokens", () => {
    const [best] = search({ beams: 1, maxTokens: 3 });
    const endOfText = best?.tokens[1] as number;
    const [ended] = search({ beams: 1, maxTokens: 3, endOfText, lengthPenalty: 1 });
    const { logProbOf } = oracle(trainer, prompt, endOfText);
    expect(ended).toMatchObject({ ended: true });
    expect(ended?.tokens).not.toContain(endOfText);
    const length = (ended?.tokens.length ?? 0) + 1;
    expect(ended?.score).toBeCloseTo((ended?.logProb ?? 0) / ((5 + length) / 6), 12);
    expect(ended?.logProb).toBeCloseTo(logProbOf(ended as PlainHypothesis), 4);
  });

  it("ends where the model's positions end, and with nothing to make", () => {
    expect(search({ maxTokens: 1000 })[0]?.tokens).toHaveLength(13);
    expect(search({ maxTokens: 0 })).toEqual([{ tokens: [], ended: false, logProb: 0, score: 0 }]);
  });

  it("says what its options may be", () => {
    expect(() => search({ beams: 0 })).toThrow("beams must be an integer of at least 1, got 0");
    expect(() => search({ beams: 1.5 })).toThrow("got 1.5");
    expect(() => search({ lengthPenalty: -1 })).toThrow("lengthPenalty must be a number of at least 0, got -1");
    expect(() => search({ maxTokens: -1 })).toThrow("maxTokens must be an integer of at least 0, got -1");
    expect(() => beamSearch(model, [], { beams: 2, maxTokens: 2 })).toThrow("the prompt must have 1 to 15 tokens");
  });
});
