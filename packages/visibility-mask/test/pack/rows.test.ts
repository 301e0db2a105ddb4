import { describe, expect, it } from "vitest";
import { conversationRows, stackRows } from "../../src/index.js";

const rows = (seqLen: number) => conversationRows([{ turns: [{ tokens: [1, 2] }] }], { seqLen });
const row = rows(4)[0] as ReturnType<typeof rows>[number];

describe("stackRows", () => {
  it("copies rows into a batch", () => {
    const { tokens, batchSize, used } = stackRows([row, row]);
    expect([Array.from(tokens), batchSize, used]).toEqual([[1, 2, 0, 0, 1, 2, 0, 0], 2, 4]);
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "rows must be an array, got undefined"],
    ["no rows", [], "expected at least one row of tokens, got none"],
    ["a row that is none", [row, null], "tokens of row 1 must be a Int32Array, got undefined"],
    ["a longer row", [row, ...rows(6)], "tokens of row 1 must have 4 elements (as row 0 has), got 6"],
    ["an array that is none", [{ ...row, weights: 1 }], "weights of row 0 must be a Float32Array, got 1"],
  ])("refuses %s", (_, wrong, message) => {
    expect(() => stackRows(wrong as never)).toThrow(`stackRows: ${message}`);
  });
});
