import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { blockMaxima, type CodebookName, codebook, inverseMaxima } from "../src/codebook.js";
import { bitsOf, floatsOf, neighbour } from "./support/bits.js";
import { exactAdamLevel, exactInverse, exactMaximum } from "./support/exact.js";
import { levels as referenceLevels } from "./support/reference.js";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const names: CodebookName[] = ["sqrt", "adam", "lloyd"];

describe("tables", () => {
  it("hold exp correctly rounded, for block maxima and their inverses", () => {
    expect([...blockMaxima()]).toEqual(range(256).map(exactMaximum));
    expect([...inverseMaxima()]).toEqual(range(256).map(exactInverse));
  });

  it("are what double precision gives too", () => {
    expect([...blockMaxima()]).toEqual(range(256).map((q) => Math.fround(Math.exp((q - 128) / 6))));
    expect([...inverseMaxima()]).toEqual(range(256).map((q) => Math.fround(256 / Math.exp((q - 128) / 6))));
  });

  it("hold the levels of sqrt exactly", () => {
    expect([...codebook("sqrt").levels]).toEqual(range(16).map((k) => ((k + 0.5) / 16) ** 2));
  });

  it("hold the smallest values whose rounded square root reaches each code", () => {
    const rootOf = (t: number) => Math.fround(Math.sqrt(t));
    for (const [i, threshold] of codebook("sqrt").thresholds.entries()) {
      expect(rootOf(threshold)).toBeGreaterThanOrEqual(i + 1);
      expect(rootOf(neighbour(threshold, -1))).toBeLessThan(i + 1);
    }
  });

  it("give the codes of the square root on everything near a threshold", () => {
    const thresholds = codebook("sqrt").thresholds;
    for (const threshold of thresholds) {
      for (let steps = -3000; steps <= 3000; steps++) {
        const t = neighbour(threshold, steps);
        const counted = thresholds.reduce((count, bound) => count + (bound <= t ? 1 : 0), 0);
        if (counted !== Math.min(15, Math.trunc(Math.fround(Math.sqrt(t))))) expect.fail(`t = ${t}: ${counted}`);
      }
    }
  });

  it("hold the levels of adam correctly rounded, and the midpoints between them", () => {
    const { levels, thresholds } = codebook("adam");
    expect([...levels]).toEqual(range(16).map(exactAdamLevel));
    const midpoint = (k: number) => Math.fround(128 * ((levels[k - 1] as number) + (levels[k] as number)));
    expect([...thresholds]).toEqual(range(15).map((i) => midpoint(i + 1)));
  });

  it("hold the levels of lloyd as decimals, and the midpoints between them", () => {
    const { levels, thresholds } = codebook("lloyd");
    expect([...levels]).toEqual(referenceLevels.lloyd);
    const midpoint = (k: number) => Math.fround(128 * ((levels[k - 1] as number) + (levels[k] as number)));
    expect([...thresholds]).toEqual(range(15).map((i) => midpoint(i + 1)));
  });

  it.each(names)("keep every level of %s between its thresholds, in every block", (name) => {
    const { levels, thresholds } = codebook(name);
    const maxima = blockMaxima();
    const inverses = inverseMaxima();
    for (let q = 1; q < 256; q++) {
      for (let k = 0; k < 16; k++) {
        const decoded = Math.fround((levels[k] as number) * (maxima[q] as number));
        const t = Math.fround(decoded * (inverses[q] as number));
        if (k > 0 && t < (thresholds[k - 1] as number)) expect.fail(`q_max ${q}, code ${k}: below`);
        if (k < 15 && t >= (thresholds[k] as number)) expect.fail(`q_max ${q}, code ${k}: above`);
      }
    }
  });

  it("have no two bounds that agree in all but their last 20 bits, which lookups need", () => {
    for (const bounds of [blockMaxima(), ...names.map((name) => codebook(name).thresholds)]) {
      const cells = [...bitsOf(bounds)].map((bits) => bits >>> 20);
      expect(new Set(cells).size).toBe(cells.length);
    }
  });

  it("are given out as copies", () => {
    blockMaxima().fill(0);
    inverseMaxima().fill(0);
    codebook("sqrt").levels.fill(0);
    expect(blockMaxima()[128]).toBe(1);
    expect(inverseMaxima()[128]).toBe(256);
    expect(codebook("sqrt").levels[0]).toBe(1 / 1024);
  });

  it("refuse a codebook of another name", () => {
    expect(() => codebook("toString" as CodebookName)).toThrow("codebook must be sqrt or adam or lloyd, got toString");
  });
});

describe("FORMAT.md", () => {
  const text = readFileSync(fileURLToPath(new URL("../FORMAT.md", import.meta.url)), "utf8");

  const listed = (heading: string) => {
    const section = text.split(`### ${heading}\n`)[1]?.split("\n#")[0] ?? "";
    return floatsOf([...section.matchAll(/\b[0-9a-f]{8}\b/g)].map(([bits]) => Number.parseInt(bits as string, 16)));
  };

  it.each([
    ["maxabs", blockMaxima()],
    ["inv", inverseMaxima()],
    ["Levels of `sqrt`", codebook("sqrt").levels],
    ["Thresholds of `sqrt`", codebook("sqrt").thresholds],
    ["Levels of `adam`", codebook("adam").levels],
    ["Thresholds of `adam`", codebook("adam").thresholds],
    ["Levels of `lloyd`", codebook("lloyd").levels],
    ["Thresholds of `lloyd`", codebook("lloyd").thresholds],
  ])("lists the bits of %s as the code has them", (heading, values) => {
    expect(listed(heading)).toEqual(values);
  });
});
