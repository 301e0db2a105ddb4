import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutDocument } from "../../src/index.js";

const jobs = fc.integer({ min: 1, max: 50 }).chain((seqLen) =>
  fc.record({
    length: fc.integer({ min: 0, max: 300 }),
    seqLen: fc.constant(seqLen),
    first: fc.integer({ min: 1, max: seqLen }),
    overlap: fc.integer({ min: 0, max: seqLen - 1 }),
  }),
);

describe("cutDocument", () => {
  it("cuts into full pieces and a rest", () => {
    const pieces = (...from: number[][]) => from.map(([from, length, repeated = 0]) => ({ from, length, repeated }));
    expect(cutDocument(10, 4)).toEqual(pieces([0, 4], [4, 4], [8, 2]));
    expect(cutDocument(4, 4)).toEqual(pieces([0, 4]));
    expect(cutDocument(0, 4)).toEqual([]);
    expect(cutDocument(10, 4, { first: 3 })).toEqual(pieces([0, 3], [3, 4], [7, 3]));
    expect(cutDocument(10, 4, { overlap: 1 })).toEqual(pieces([0, 4], [3, 4, 1], [6, 4, 1]));
  });

  it("makes every token new in exactly one piece, and all pieces between the first and last full", () => {
    fc.assert(
      fc.property(jobs, ({ length, seqLen, ...options }) => {
        const pieces = cutDocument(length, seqLen, options);
        let end = 0;
        for (const [index, piece] of pieces.entries()) {
          expect(piece.from).toBe(Math.max(0, end - options.overlap));
          expect(piece.from + piece.repeated).toBe(end);
          expect(piece.from + piece.length).toBeGreaterThan(end);
          expect(piece.length).toBeLessThanOrEqual(index === 0 ? options.first : seqLen);
          if (index > 0 && index < pieces.length - 1) expect(piece.length).toBe(seqLen);
          end = piece.from + piece.length;
        }
        expect(end).toBe(length);
      }),
    );
  });

  it.each([
    [-1, 4, {}, "length must be"],
    [2.5, 4, {}, "length must be"],
    [8, 0, {}, "seqLen must be"],
    [8, 4, { first: 5 }, "first must be a whole number from 1 to 4, got 5"],
    [8, 4, { first: 0 }, "first must be"],
    [8, 4, { overlap: 4 }, "overlap must be a whole number from 0 to 3, got 4"],
  ])("refuses %d tokens in rows of %d with %j", (length, seqLen, options, message) => {
    expect(() => cutDocument(length, seqLen, options)).toThrow(message);
  });
});
