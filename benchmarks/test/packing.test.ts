import { describe, expect, it } from "vitest";
import { shareToLongest } from "../src/lib/packing/fill.js";

describe("the share of positions used by batches as wide as their longest row", () => {
  it("counts each row of a batch as wide as the longest of it", () => {
    expect(shareToLongest([3, 1, 3, 1], 4, 4)).toBe(8 / 12);
  });

  it("takes pieces of documents that are longer than a row, and a last batch of fewer", () => {
    expect(shareToLongest([10], 4, 3)).toBe(10 / 12);
    expect(shareToLongest([4, 4, 4], 4, 2)).toBe(1);
  });

  it("wastes nothing with one row a batch", () => {
    expect(shareToLongest([5, 1, 9, 2], 4, 1)).toBe(1);
  });
});
