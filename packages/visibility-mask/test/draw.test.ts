import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gridOf } from "../src/draw/grid.js";
import { VisibilityMask } from "../src/mask.js";
import { mask as anyMask, window as anyWindow, bruteForce } from "./support/random-masks.js";

const sample = VisibilityMask.packed([3, 2], { seqLen: 6 });
const words = {
  labels: ["The", " cat", "\n", "A", " <b>", "&"],
  spans: [
    { from: 0, to: 3, label: "first" },
    { from: 3, to: 5, label: 'a "second"' },
  ],
};

/** Cells of each colour that an SVG's paths fill, by the rectangles' areas. */
function painted(svg: string): Map<string, number> {
  return new Map(
    [...svg.matchAll(/<path fill="(#\w+)" d="([^"]+)"/g)].map(([, colour, path]) => {
      const areas = [...(path as string).matchAll(/h(\d+)v(\d+)h-/g)].map(([, w, h]) => Number(w) * Number(h));
      return [colour as string, areas.reduce((sum, area) => sum + area, 0)];
    }),
  );
}

/** Tags that don't close in order. */
function unbalanced(svg: string): string[] {
  const open: string[] = [];
  for (const [, close, name, alone] of svg.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (alone) continue;
    if (!close) open.push(name as string);
    else if (open.at(-1) === name) open.pop();
    else return [...open, `/${name}`];
  }
  return open;
}

describe("a drawing's cells", () => {
  it("tell the share of their block that is visible, none and all exactly", () => {
    fc.assert(
      fc.property(anyMask, anyWindow, fc.integer({ min: 1, max: 20 }), (mask, window, cells) => {
        const { batchSize, seqLen } = mask;
        const row = batchSize - 1;
        const { size, block, levels } = gridOf(mask, { row, window, cells }, 32, "test");
        expect(size).toBe(Math.ceil(seqLen / block));
        expect(size).toBeLessThanOrEqual(cells);
        const dense = bruteForce(mask, window).subarray(row * seqLen * seqLen);
        const expected = Array.from({ length: size * size }, (_, cell) => {
          const [i0, j0] = [Math.floor(cell / size) * block, (cell % size) * block];
          let [seen, all] = [0, 0];
          for (let i = i0; i < Math.min(i0 + block, seqLen); i++) {
            for (let j = j0; j < Math.min(j0 + block, seqLen); j++) {
              all += 1;
              seen += dense[i * seqLen + j] as number;
            }
          }
          if (seen === 0 || seen === all) return seen === 0 ? 0 : 4;
          return 3 * seen < all ? 1 : 3 * seen < 2 * all ? 2 : 3;
        });
        expect([...levels]).toEqual(expected);
      }),
    );
  });
});

describe("toText", () => {
  it("draws a small mask cell by cell, with labels and parts", () => {
    expect(sample.toText(words)).toBe(
      [
        "6 tokens",
        "9 of 36 pairs visible, 25.0 %",
        "query ↓  key → 0 1 2 3 4 5",
        "         The 0 ██· · · · ·   first",
        "        ␣cat 1 ████· · · ·",
        "          \\n 2 ██████· · ·",
        '           A 3 · · · ██· ·   a "second"',
        "        ␣<b> 4 · · · ████·",
        "           & 5 · · · · · ·",
        "·  hidden   ██ visible",
        "",
      ].join("\n"),
    );
  });

  it("draws many tokens in shaded blocks, by row and window", () => {
    const mask = VisibilityMask.stack([VisibilityMask.bidirectional(48), VisibilityMask.packed([20, 28])]);
    expect(mask.toText({ row: 1, window: 16, cells: 6, title: "Two documents" })).toBe(
      [
        "Two documents, row 1 of 2, window 16",
        "528 of 2,304 pairs visible, 22.9 %; a cell is 8 × 8 tokens, shaded by the share visible",
        "query ↓  key → 0   16  32",
        "             0 ▒▒· · · · ·",
        "             8 ██▒▒· · · ·",
        "            16 ▒▒▒▒░░· · ·",
        "            24 · · ▒▒▒▒· ·",
        "            32 · · ▒▒██▒▒·",
        "            40 · · · ▒▒██▒▒",
        "·  hidden   ░░ under ⅓ visible   ▒▒ under ⅔   ▓▓ over ⅔   ██ all",
        "",
      ].join("\n"),
    );
  });

  it("draws no token at all", () => {
    expect(VisibilityMask.causal(0).toText()).toContain("0 of 0 pairs visible, 0.0 %");
  });
});

describe("toSvg", () => {
  it("paints the visible cells, no others, on a background of its own", () => {
    const svg = sample.toSvg(words);
    expect(painted(svg)).toEqual(new Map([["#174a86", 9 * 24 * 24]]));
    expect(svg).toMatch(/<rect width="\d+" height="\d+" fill="#fff"\/>/);
  });

  it("keeps markup and control characters in labels from being any", () => {
    const svg = sample.toSvg({ ...words, title: "</title><script>\u0000\ud800" });
    expect(svg).toContain(">␣&lt;b></text>");
    expect(svg).toContain(">&amp;</text>");
    expect(svg).toContain("\\n</text>");
    expect(svg).toContain("&lt;/title>&lt;script>\\u0000\\ud800");
    expect(unbalanced(svg)).toEqual([]);
  });

  it("labels queries, keys, parts and shades", () => {
    const svg = VisibilityMask.causal(2048).toSvg({ spans: [{ from: 0, to: 2048, label: "all of it" }] });
    for (const word of ["← query", "key →", "1,024", "all of it", "under ⅓ visible", "16 × 16 tokens"]) {
      expect(svg).toContain(`${word}`);
    }
    expect(unbalanced(svg)).toEqual([]);
  });

  it("takes a row of 131,072 tokens, in a small file", () => {
    const svg = VisibilityMask.packed(Array<number>(128).fill(1024)).toSvg();
    expect(painted(svg).size).toBe(1);
    expect(svg.length).toBeLessThan(50_000);
  });

  it.each<[object, string]>([
    [{ row: 1 }, "row must be a whole number from 0 to 0, got 1"],
    [{ cells: 0 }, "cells must be a whole number from 1 to 4096, got 0"],
    [{ window: -1 }, "window must be a whole number from 0"],
    [{ labels: ["a"] }, "labels must be 6 strings, one for each token"],
    [{ labels: [1, 2, 3, 4, 5, 6] }, "labels must be 6 strings, one for each token"],
    [{ spans: [words.spans[0], { from: 3, to: 7, label: "x" }] }, "with 0 ≤ from < to ≤ 6; element 1 is not"],
    [{ spans: [{ from: 0.5, to: 2, label: "x" }] }, "spans must be an array of { from, to, label }"],
    [{ spans: {} }, "spans must be an array"],
    [{ title: 7 }, "title must be text, got 7"],
  ])("refuses %j", (options, message) => expect(() => sample.toSvg(options)).toThrow(message));
});
