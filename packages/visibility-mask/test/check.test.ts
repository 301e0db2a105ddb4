import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MaskArrays, VisibilityMask } from "../src/mask.js";

const ints = (...values: number[]) => Int32Array.from(values);
const make = (arrays: MaskArrays) => () => new VisibilityMask(arrays);

/** Two rows of 4 tokens of anything near the valid range. */
const arrays = fc
  .record({
    start: fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 8, maxLength: 8 }),
    limit: fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 8, maxLength: 8 }),
    positions: fc.option(fc.array(fc.integer({ min: -1, max: 9 }), { minLength: 8, maxLength: 8 }), { nil: undefined }),
  })
  .map(({ start, limit, positions }) => ({
    start: Int32Array.from(start),
    limit: Int32Array.from(limit),
    positions: positions && Int32Array.from(positions),
    batchSize: 2,
  }));

/** What is wrong first, by looking at all pairs. */
function firstFault({ start, limit, positions }: MaskArrays, allowBlind: boolean): string | undefined {
  for (let row = 0; row < 2; row++) {
    const [from, to] = [start.subarray(4 * row), limit.subarray(4 * row)].map((part) => [...part.subarray(0, 4)]) as [
      number[],
      number[],
    ];
    const outside = from.findIndex((s, j) => s < 0 || s > (to[j] as number) || (to[j] as number) > 4);
    if (outside >= 0) return `token ${outside} of row ${row}: expected 0 ≤ start ≤ limit ≤ 4`;
    const blind = from.findIndex((s, i) => {
      const seesNobody = from.every((first, j) => i < first || i >= (to[j] as number));
      return seesNobody && !(s === 0 && to[i] === 0);
    });
    if (blind >= 0 && !allowBlind) return `token ${blind} of row ${row}: it sees nobody`;
  }
  const negative = positions?.findIndex((position) => position < 0) ?? -1;
  return negative < 0
    ? undefined
    : `token ${negative % 4} of row ${Math.floor(negative / 4)}: expected a position of at least 0`;
}

describe("a mask from arrays", () => {
  it("is accepted exactly when all intervals fit and everybody sees somebody; else the first token at fault is named", () => {
    fc.assert(
      fc.property(arrays, fc.boolean(), (candidate, allowBlind) => {
        const fault = firstFault(candidate, allowBlind);
        if (fault === undefined) expect(make({ ...candidate, allowBlind })).not.toThrow();
        else expect(make({ ...candidate, allowBlind })).toThrow(fault);
      }),
      { numRuns: 500 },
    );
  });

  it("takes them as they are, also as views, without copying", () => {
    const shared = new Int32Array(12).fill(3);
    shared.fill(0, 0, 3);
    const mask = new VisibilityMask({ start: shared.subarray(0, 3), limit: shared.subarray(3, 6) });
    expect(mask.start.buffer).toBe(shared.buffer);
    expect(mask.seqLen).toBe(3);
  });

  const two = ints(0, 0);
  const full = ints(2, 2);
  const bad = (value: unknown) => value as never;
  it.each<[string, MaskArrays, string, string]>([
    ["lists", { start: bad([0]), limit: ints(1) }, "E_ARGUMENT", "start must be a Int32Array, got an array"],
    [
      "floats",
      { start: two, limit: bad(new Float32Array(2)) },
      "E_ARGUMENT",
      "limit must be a Int32Array, got Float32Array",
    ],
    ["nothing", { start: two, limit: bad(undefined) }, "E_ARGUMENT", "limit must be a Int32Array, got undefined"],
    ["unlike lengths", { start: two, limit: ints(1) }, "E_SHAPE", "limit must have 2 elements (those of start), got 1"],
    ["few positions", { start: two, limit: full, positions: ints(0) }, "E_SHAPE", "positions must have 2 elements"],
    [
      "wide positions",
      { start: two, limit: full, positions: bad(new BigInt64Array(2)) },
      "E_ARGUMENT",
      "positions must be a Int32Array",
    ],
    [
      "rows that don't fit",
      { start: two, limit: full, batchSize: 3 },
      "E_SHAPE",
      "batchSize must be a whole number from 1 that divides the 2 tokens, got 3",
    ],
    ["no rows", { start: two, limit: full, batchSize: 0 }, "E_SHAPE", "batchSize must be a whole number from 1"],
    [
      "text for rows",
      { start: two, limit: full, batchSize: bad("2") },
      "E_SHAPE",
      'batchSize must be a whole number from 1 that divides the 2 tokens, got "2"',
    ],
    [
      "memory that others change",
      { start: new Int32Array(bad(new SharedArrayBuffer(8))), limit: full },
      "E_ARGUMENT",
      "got shared memory: copy it first",
    ],
  ])("refuses %s", (_, candidate, code, message) => {
    expect(make(candidate)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  it.each([undefined, null, 7, "mask"])("refuses %j in place of arrays", (value) => {
    expect(make(bad(value))).toThrow(expect.objectContaining({ code: "E_ARGUMENT" }));
  });

  it("keeps what it has checked, though a second look would find something else", () => {
    let looks = 0;
    const changing = {
      get start() {
        return looks++ === 0 ? ints(0, 1) : ints(9, 9);
      },
      limit: ints(2, 2),
    };
    expect(Array.from(new VisibilityMask(changing).start)).toEqual([0, 1]);
  });

  it.each([null, 0, "", Number.NaN])("refuses positions %j", (positions) => {
    const candidate = { start: ints(0, 1), limit: ints(2, 2), positions } as never;
    expect(make(candidate)).toThrow("positions must be a Int32Array");
  });

  it("checks a row of 131,072 tokens in one pass", () => {
    const n = 131_072;
    const start = Int32Array.from({ length: n }, (_, j) => j);
    const limit = new Int32Array(n).fill(n);
    start[n - 1] = n;
    limit[n - 2] = n - 1;
    expect(make({ start, limit })).not.toThrow();
    limit.fill(n - 1);
    expect(make({ start, limit })).toThrow(`token ${n - 1} of row 0: expected`);
  });
});
