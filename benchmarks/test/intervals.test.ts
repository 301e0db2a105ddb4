import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { interval95, mean, pairedRatio, standardDeviation } from "../src/lib/intervals.js";

describe("intervals", () => {
  it("takes mean and standard deviation by n − 1", () => {
    expect(mean([2, 4, 9])).toBe(5);
    expect(standardDeviation([2, 4, 9])).toBeCloseTo(Math.sqrt(26 / 2), 12);
  });

  it("has the half-width of a textbook: 1, 2, 3 give 2 ± 4.303 / √3", () => {
    const { mean: centre, halfWidth95 } = interval95([1, 2, 3]);
    expect(centre).toBe(2);
    expect(halfWidth95).toBeCloseTo(4.303 / Math.sqrt(3), 10);
  });

  it("knows no interval of a single value, and says so", () => {
    expect(interval95([7])).toEqual({ mean: 7, halfWidth95: null });
  });

  it("covers the true mean of normal samples in 95 % of cases, for few values as for many", () => {
    for (const count of [3, 5, 20]) {
      const trials = 4000;
      const draws = randomFloats(trials * count, count);
      let covered = 0;
      for (let trial = 0; trial < trials; trial++) {
        const { mean: centre, halfWidth95 } = interval95([...draws.subarray(trial * count, (trial + 1) * count)]);
        if (Math.abs(centre) <= (halfWidth95 as number)) covered++;
      }
      // Four standard errors of a share of 0.95 in 4,000 trials are 0.014.
      expect(Math.abs(covered / trials - 0.95)).toBeLessThan(0.014);
    }
  });

  it("divides pair by pair, so that what a pair has in common cancels", () => {
    const references = [1, 10, 100];
    const { mean: ratio, halfWidth95 } = pairedRatio(
      references.map((value) => 1.01 * value),
      references,
    );
    expect(ratio).toBeCloseTo(1.01, 12);
    expect(halfWidth95).toBeLessThan(1e-12);
  });

  it("refuses no values, too many, and pairs that do not match", () => {
    expect(() => mean([])).toThrow("at least one value");
    expect(() => standardDeviation([1])).toThrow("two values or more, got 1");
    expect(() => interval95(new Array(32).fill(0))).toThrow("31 values at most, got 32");
    expect(() => pairedRatio([1, 2], [1])).toThrow("got 1 and 2");
  });
});
