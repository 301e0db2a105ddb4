import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestFitDecreasing, packDocuments, VisibilityMask } from "../../src/index.js";

/** Documents of tokens that no two share, to know each again. */
function unique(lengths: readonly number[]): Int32Array[] {
  let id = 0;
  return lengths.map((length) => Int32Array.from({ length }, () => id++));
}

const jobs = fc.integer({ min: 1, max: 40 }).chain((seqLen) =>
  fc.record({
    seqLen: fc.constant(seqLen),
    lengths: fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 20 }).filter((lengths) => lengths.some(Boolean)),
    first: fc.option(fc.integer({ min: 1, max: seqLen }), { nil: undefined }),
    overlap: fc.option(fc.integer({ min: 0, max: seqLen - 1 }), { nil: undefined }),
  }),
);
/** Without the options that are not given, which have defaults. */
const given = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

describe("packDocuments", () => {
  it("lays causal documents one after another, the longest first, and pads the rest", () => {
    const packed = packDocuments([[11, 12], [21, 22, 23], [], [31]], { seqLen: 5 });
    expect(packed).toMatchObject({ batchSize: 2, seqLen: 5, used: 6 });
    expect([...packed.tokens]).toEqual([21, 22, 23, 11, 12, 31, 0, 0, 0, 0]);
    expect([...packed.positions]).toEqual([0, 1, 2, 0, 1, 0, 0, 0, 0, 0]);
    expect([...packed.parents]).toEqual([-1, 0, 1, -1, 3, -1, -1, -1, -1, -1]);
    expect([...packed.weights]).toEqual([0, 1, 1, 0, 1, 0, 0, 0, 0, 0]);
    expect(packed.mask).toEqual(
      VisibilityMask.stack([VisibilityMask.packed([3, 2]), VisibilityMask.packed([1], { seqLen: 5 })]),
    );
    expect(packed.documents).toEqual([
      { document: 1, from: 0, length: 3, repeated: 0, row: 0, at: 0 },
      { document: 0, from: 0, length: 2, repeated: 0, row: 0, at: 3 },
      { document: 3, from: 0, length: 1, repeated: 0, row: 1, at: 0 },
    ]);
  });

  it("predicts every token of a document but its first exactly once, however it is cut", () => {
    fc.assert(
      fc.property(jobs, ({ lengths, ...rest }) => {
        const options = given(rest);
        // Without a token before it, the first of a later piece can't be predicted.
        fc.pre(options.seqLen > 1 && options.overlap !== 0);
        const { tokens, weights, parents } = packDocuments(unique(lengths), options);
        const predicted = [...tokens].filter((_, i) => weights[i] === 1).sort((a, b) => a - b);
        const expected = unique(lengths).flatMap((document) => [...document.subarray(1)]);
        expect(predicted).toEqual(expected);
        for (const [i, weight] of weights.entries()) {
          const at = i - (i % options.seqLen) + (parents[i] as number);
          if (weight > 0) expect(tokens[at]).toBe((tokens[i] as number) - 1);
        }
      }),
    );
  });

  it("puts every piece where it says, in as many rows as best fit decreasing needs, and nothing else", () => {
    fc.assert(
      fc.property(jobs, ({ lengths, ...rest }) => {
        const options = given(rest);
        const documents = unique(lengths);
        const packed = packDocuments(documents, options);
        const { seqLen, mask } = packed;
        const pieces = packed.documents;
        expect(packed.batchSize).toBe(
          bestFitDecreasing(
            pieces.map(({ length }) => length),
            seqLen,
          ).length,
        );
        expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(packed.used);
        const rows = Array.from({ length: packed.batchSize }, (_, row) => {
          const here = pieces.filter((piece) => piece.row === row);
          return VisibilityMask.packed(
            here.map(({ length }) => length),
            { seqLen },
          );
        });
        expect(mask).toEqual(VisibilityMask.stack(rows));
        for (const { document, from, length, row, at } of pieces) {
          const there = packed.tokens.subarray(row * seqLen + at, row * seqLen + at + length);
          expect(there).toEqual(documents[document]?.subarray(from, from + length));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("takes options that are undefined as absent", () => {
    const documents = [[1, 2, 3, 4, 5]];
    const { weights } = packDocuments(documents, { seqLen: 3, overlap: undefined, first: undefined } as never);
    expect(weights).toEqual(packDocuments(documents, { seqLen: 3 }).weights);
  });

  it("does not take memory that was given away for an empty document", () => {
    const gone = Int32Array.of(1, 2);
    structuredClone(gone, { transfer: [gone.buffer] });
    const refused = "packDocuments: document 1 must be an array, got detached memory";
    expect(() => packDocuments([[1, 2], gone], { seqLen: 4 })).toThrow(refused);
  });

  it.each([
    [[[1]], undefined, "packDocuments: options must be an object or left out, got undefined"],
    [[[1, 2]], { seqLen: 0 }, "seqLen must be a whole number from 1"],
    [
      [
        [1, 2],
        [3, -4],
      ],
      { seqLen: 4 },
      "token 1 of document 1 must be a token id, a whole number from 0 to 2147483647, got -4",
    ],
    [[[1, 2.5]], { seqLen: 4 }, "token 1 of document 0 must be"],
    [[[1n]], { seqLen: 4 }, "token 0 of document 0 must be"],
    [[[2 ** 31]], { seqLen: 4 }, "token 0 of document 0 must be"],
    [[new Array(3)], { seqLen: 4 }, "token 0 of document 0 must be"],
    [[[1], "text"], { seqLen: 4 }, 'document 1 must be an array, got "text"'],
    [undefined, { seqLen: 4 }, "documents must be an array, got undefined"],
    [[[], []], { seqLen: 4 }, "expected at least one token to pack, got none"],
    [[[1]], { seqLen: 4, overlap: 4 }, "overlap must be a whole number from 0 to 3, got 4"],
    [[[1]], { seqLen: 4, first: 5 }, "first must be a whole number from 1 to 4, got 5"],
  ])("refuses wrong documents or options (%#)", (documents, options, message) => {
    expect(() => packDocuments(documents as number[][], options as never)).toThrow(message);
  });
});
