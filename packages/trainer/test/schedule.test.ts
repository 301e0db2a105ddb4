import { describe, expect, it } from "vitest";
import { resolveRecipe } from "../src/config/index.js";
import { learningRate } from "../src/optim/schedule.js";
import { smoke } from "../src/recipes/smoke.js";

function rates(...overrides: string[]): number[] {
  const recipe = resolveRecipe(smoke({ dataDir: "d" }), ["steps=100", "optim={lr: 1, minLrRatio: 0.1}", ...overrides]);
  return [Number.NaN, ...Array.from({ length: 100 }, (_, i) => learningRate(recipe, i + 1))];
}

/** A rate is a handful of double operations: a few units in the last place. */
const digits = 12;

describe("learningRate", () => {
  it("warms up in a straight line that starts above zero and ends at the full rate", () => {
    for (const kind of ["cosine", "wsd"]) {
      const rate = rates(`schedule={kind: ${kind}, warmupSteps: 10}`);
      expect(rate[1]).toBeCloseTo(0.1, digits);
      expect(rate[5]).toBeCloseTo(0.5, digits);
      expect(rate[9]).toBeCloseTo(0.9, digits);
      expect(rate[10]).toBe(1);
    }
  });

  it("falls by half a cosine to exactly the least rate at the last step", () => {
    const rate = rates("schedule={kind: cosine, warmupSteps: 10}");
    expect(rate[11]).toBeCloseTo(0.1 + 0.45 * (1 + Math.cos(Math.PI / 90)), digits);
    expect(rate[55]).toBeCloseTo(0.55, digits);
    expect(rate[100]).toBeCloseTo(0.1, digits);
    for (let step = 11; step <= 100; step++) expect(rate[step]).toBeLessThan(rate[step - 1] as number);
  });

  it("holds the full rate, then falls as 1 - sqrt over the decay steps", () => {
    const rate = rates("schedule={kind: wsd, warmupSteps: 10, decaySteps: 25}");
    expect(rate.slice(10, 76)).toEqual(new Array(66).fill(1));
    expect(rate[76]).toBeCloseTo(0.1 + 0.9 * (1 - Math.sqrt(1 / 25)), digits);
    expect(rate[84]).toBeCloseTo(0.1 + 0.9 * (1 - Math.sqrt(9 / 25)), digits);
    expect(rate[100]).toBeCloseTo(0.1, digits);
  });

  it("starts at the full rate without warm-up", () => {
    expect(rates("schedule={kind: wsd, warmupSteps: 0, decaySteps: 10}")[1]).toBe(1);
    expect(rates("schedule={kind: cosine, warmupSteps: 0}")[1]).toBeCloseTo(1, 3);
  });

  it("never decays when told so, and only warms up when warm-up takes all steps", () => {
    expect(rates("schedule={kind: wsd, warmupSteps: 0, decaySteps: 0}")[100]).toBe(1);
    expect(rates("schedule={kind: cosine, warmupSteps: 100}")[100]).toBe(1);
    expect(rates("schedule={kind: wsd, warmupSteps: 100, decaySteps: 0}")[99]).toBeCloseTo(0.99, digits);
  });

  it("goes from warm-up straight into decay when nothing is between", () => {
    const rate = rates("schedule={kind: wsd, warmupSteps: 50, decaySteps: 50}");
    expect(rate[49]).toBeCloseTo(0.98, digits);
    expect(rate[50]).toBe(1);
    expect(rate[51]).toBeCloseTo(0.1 + 0.9 * (1 - Math.sqrt(1 / 50)), digits);
  });

  it("reaches zero with a least rate of zero", () => {
    expect(rates("schedule={kind: cosine, warmupSteps: 0}", "optim.minLrRatio=0")[100]).toBe(0);
  });

  it("refuses a step that is not of the run", () => {
    const recipe = resolveRecipe(smoke({ dataDir: "d" }));
    for (const step of [0, 21, -1, 1.5, Number.NaN]) {
      expect(() => learningRate(recipe, step)).toThrow(/expected a step from 1 to 20, got/);
    }
    expect(learningRate(recipe, 20)).toBeGreaterThan(0);
  });
});
