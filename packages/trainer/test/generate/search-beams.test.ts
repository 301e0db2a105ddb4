import { floatTensor } from "@cai/native";
import { compareBeams, plainBeamSearch, randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BeamSearchOptions, type Hypothesis, searchBeams } from "../../src/generate/search-beams.js";

/** Logits that depend on a hypothesis' tokens alone. */
type Scores = (tokens: readonly number[]) => Float32Array;

/** Searches with logits made up by `scores`; `steps` counts the calls for more. */
function search(scores: Scores, options: BeamSearchOptions): { found: Hypothesis[]; steps: number } {
  let live: (readonly number[])[] = [[]];
  let steps = 0;
  const rows = () => {
    const width = scores([]).length;
    return floatTensor(Float32Array.from(live.flatMap((tokens) => [...scores(tokens)])), [live.length, width]);
  };
  const found = searchBeams(
    rows(),
    (parents, tokens) => {
      steps++;
      live = [...parents].map((parent, i) => [...(live[parent] ?? []), tokens[i] as number]);
      return rows();
    },
    options,
  );
  return { found, steps };
}

/** ln of probabilities as logits: their log-softmax is themselves. */
const logs = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);

describe("searchBeams", () => {
  it("agrees with a search that sorts everything and never stops early, for any logits", () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          vocabSize: fc.integer({ min: 2, max: 7 }),
          beams: fc.integer({ min: 1, max: 6 }),
          maxTokens: fc.integer({ min: 1, max: 6 }),
          lengthPenalty: fc.constantFrom(0, 0.6, 2),
          hasEnd: fc.boolean(),
        }),
        ({ seed, vocabSize, hasEnd, ...rest }) => {
          const options = { ...rest, ...(hasEnd && { endOfText: 1 }) };
          const scores: Scores = (tokens) =>
            randomFloats(
              vocabSize,
              tokens.reduce((hash, token) => Math.imul(hash, 31) + token + 1, seed),
              2,
            );
          const plain = plainBeamSearch(scores, options);
          // Log-sum-exp is rounded to float32. A decision on less than that may go either way.
          const comparison = { tolerance: 1e-5, logProbOf: () => Number.NaN };
          const outcome = compareBeams(search(scores, options).found, plain, comparison);
          expect(outcome === "same" || plain.margin < 1e-5).toBe(true);
        },
      ),
    );
  });

  it("prefers the lower beam and then the lower token among equals", () => {
    const { found } = search(() => logs(0.25, 0.25, 0.25, 0.25), { beams: 3, maxTokens: 2 });
    expect(found.map(({ tokens }) => tokens)).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
    ]);
  });

  it("keeps a finished hypothesis only if it comes before the last one that lives on", () => {
    // Token 2 ends the text, and is the third likeliest.
    const scores: Scores = () => logs(0.5, 0.3, 0.2);
    const two = search(scores, { beams: 2, maxTokens: 1, endOfText: 2 }).found;
    expect(two.map(({ ended }) => ended)).toEqual([false, false]);
    const likelier: Scores = () => logs(0.5, 0.2, 0.3);
    const kept = search(likelier, { beams: 2, maxTokens: 1, endOfText: 2 }).found;
    expect(kept.map(({ tokens, ended }) => ({ tokens, ended }))).toEqual([
      { tokens: [0], ended: false },
      { tokens: [], ended: true },
    ]);
  });

  it("follows as many hypotheses as there are when there are fewer than beams", () => {
    const { found } = search(() => logs(0.6, 0.4), { beams: 5, maxTokens: 2 });
    expect(found.map(({ tokens }) => tokens.join(""))).toEqual(["00", "01", "10", "11"]);
  });

  it("scores by the length penalty: logProb / ((5 + n) / 6)^alpha", () => {
    // Ends at once with 0.6, or goes on with 0.4 and then ends almost surely.
    const scores: Scores = (tokens) => (tokens.length === 0 ? logs(0.4, 0.6) : logs(1e-6, 1 - 1e-6));
    const best = (lengthPenalty: number) =>
      search(scores, { beams: 2, maxTokens: 4, endOfText: 1, lengthPenalty }).found[0];
    expect(best(0)).toMatchObject({ tokens: [], score: expect.closeTo(Math.log(0.6), 6) });
    expect(best(6)).toMatchObject({ tokens: [0], score: expect.closeTo(Math.log(0.4) / (7 / 6) ** 6, 5) });
  });

  it("stops as soon as no live hypothesis can do better than the worst that is kept", () => {
    const scores: Scores = (tokens) => (tokens.length === 0 ? logs(0.5, 0.5) : logs(0.01, 0.99));
    const options = { beams: 2, maxTokens: 50, endOfText: 1 };
    // Two have ended after two tokens; without a penalty the rest can only fall, with one it might still gain.
    expect(search(scores, { ...options, lengthPenalty: 0 }).steps).toBe(1);
    expect(search(scores, { ...options, lengthPenalty: 1 }).steps).toBeGreaterThan(1);
  });

  it("ends when every continuation has", () => {
    const { found, steps } = search(() => Float32Array.of(0), { beams: 2, maxTokens: 9, endOfText: 0 });
    expect(found).toEqual([{ tokens: [], ended: true, logProb: 0, score: 0 }]);
    expect(steps).toBe(0);
  });

  it("refuses logits that are NaN or infinite", () => {
    for (const bad of [Number.NaN, Infinity]) {
      expect(() => search(() => Float32Array.of(0, bad), { beams: 1, maxTokens: 1 })).toThrow(
        "logits must be below infinity",
      );
    }
    expect(() => search(() => new Float32Array(2).fill(-Infinity), { beams: 1, maxTokens: 1 })).toThrow("got a row");
  });
});
