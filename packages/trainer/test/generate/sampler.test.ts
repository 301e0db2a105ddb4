import { expectAllClose } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byLogit } from "../../src/generate/by-logit.js";
import { sampleToken } from "../../src/generate/sampler.js";

const logits = Float32Array.of(0, 2, 1, Number.NEGATIVE_INFINITY, 2);

/** The share of an even grid of draws that gives each token. */
function shares(values: Float32Array, options: object, draws = 20_000): number[] {
  const counts = new Array<number>(values.length).fill(0);
  for (let i = 0; i < draws; i++) {
    const token = sampleToken(values, (i + 0.5) / draws, options);
    counts[token] = (counts[token] as number) + 1 / draws;
  }
  return counts;
}

describe("sampleToken", () => {
  it("draws each token with its softmax probability", () => {
    const total = 1 + 2 * Math.exp(2) + Math.exp(1);
    const expected = [1, Math.exp(2), Math.exp(1), 0, Math.exp(2)].map((mass) => mass / total);
    expectAllClose(shares(logits, {}), expected, { rtol: 0, atol: 1e-3 });
  });

  it("sharpens and flattens with the temperature", () => {
    const total = 1 + 2 * Math.exp(4) + Math.exp(2);
    expect(shares(logits, { temperature: 0.5 })[2]).toBeCloseTo(Math.exp(2) / total, 3);
    expect(shares(logits, { temperature: 1e9 })[0]).toBeCloseTo(0.25, 3);
  });

  it("takes the most likely token at temperature 0, the lowest id among equals", () => {
    expect(shares(logits, { temperature: 0 })).toEqual([0, expect.closeTo(1, 9), 0, 0, 0]);
  });

  it("keeps the top k", () => {
    expect(shares(logits, { topK: 1 })[1]).toBeCloseTo(1, 9);
    const two = shares(logits, { topK: 2 });
    expect([two[1], two[4]]).toEqual([expect.closeTo(0.5, 3), expect.closeTo(0.5, 3)]);
  });

  it("keeps the fewest tokens that reach top p, at least one", () => {
    expect(shares(logits, { topP: 1e-9 })[1]).toBeCloseTo(1, 9);
    const kept = shares(logits, { topP: 0.7 });
    expect(kept[0]).toBe(0);
    expect(kept[2]).toBe(0);
  });

  it("never draws a token outside what was kept, for any draw", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -50, max: 50 }), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 30 }),
        (values, uniform, topK) => {
          const row = Float32Array.from(values);
          const token = sampleToken(row, uniform, { topK });
          const better = row.filter(
            (value, id) => value > (row[token] as number) || (value === row[token] && id < token),
          );
          expect(better.length).toBeLessThan(topK);
        },
      ),
    );
  });

  it("takes the most likely first, the lower id among equals, without sorting them all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(-2, -1, 0, 0.5, 3, Number.NEGATIVE_INFINITY), { maxLength: 40 }),
        (values) => {
          const sorted = values
            .map((_, id) => id)
            .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
          const order = byLogit(Float32Array.from(values));
          // Two at -Infinity differ by NaN, which leaves them in the order of their ids.
          expect([...order]).toEqual(sorted);
        },
      ),
    );
  });

  it("refuses options out of range and logits without a finite value", () => {
    expect(() => sampleToken(logits, 0, { temperature: -1 })).toThrow(
      "temperature must be a number of at least 0, got -1",
    );
    expect(() => sampleToken(logits, 0, { topK: 1.5 })).toThrow("topK must be an integer of at least 0, got 1.5");
    expect(() => sampleToken(logits, 0, { topP: 0 })).toThrow("topP must be a number above 0 and at most 1, got 0");
    expect(() => sampleToken(Float32Array.of(0, Number.NaN), 0)).toThrow("got NaN for token 1");
    expect(() => sampleToken(Float32Array.of(Number.NEGATIVE_INFINITY), 0)).toThrow("finite value");
  });
});
