import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VisibilityMask } from "../src/mask.js";
import { mask as anyMask, parents as anyParents, row as anyRow, bruteForce } from "./support/random-masks.js";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Dense rows as strings of 0 and 1, query down, key across. */
function drawn(mask: VisibilityMask): string[] {
  const dense = bruteForce(mask);
  return range(mask.batchSize * mask.seqLen).map((i) => dense.slice(i * mask.seqLen, (i + 1) * mask.seqLen).join(""));
}

const positionsOf = (mask: VisibilityMask, row = 0) => range(mask.seqLen).map((i) => mask.position(i, row));

/** Every cell by a rule that says who sees whom. */
function byRule(seqLen: number, sees: (query: number, key: number) => boolean): string[] {
  return range(seqLen).map((i) =>
    range(seqLen)
      .map((j) => (sees(i, j) ? "1" : "0"))
      .join(""),
  );
}

const sizes = fc.integer({ min: 0, max: 33 });
const lengthLists = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 });
const partOf = (lengths: readonly number[]) => lengths.flatMap((length, part) => Array<number>(length).fill(part));
const offsets = (lengths: readonly number[]) => lengths.flatMap(range);
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);

describe("one document", () => {
  it("is causal: everybody sees themselves and those before", () => {
    fc.assert(
      fc.property(sizes, (n) => {
        expect(drawn(VisibilityMask.causal(n))).toEqual(byRule(n, (i, j) => j <= i));
      }),
    );
  });

  it("is bidirectional: everybody sees everybody", () => {
    fc.assert(
      fc.property(sizes, (n) => {
        expect(drawn(VisibilityMask.bidirectional(n))).toEqual(byRule(n, () => true));
      }),
    );
  });

  it("is a prefix LM: the prefix is seen by all, the rest by those behind", () => {
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        const [p, n] = [Math.min(a, b), Math.max(a, b)];
        expect(drawn(VisibilityMask.prefixLm(p, n))).toEqual(byRule(n, (i, j) => j < p || j <= i));
      }),
    );
  });

  it("needs no positions: they are the indices", () => {
    for (const mask of [VisibilityMask.causal(3), VisibilityMask.bidirectional(3), VisibilityMask.prefixLm(1, 3)]) {
      expect(mask.positions).toBeUndefined();
      expect(positionsOf(mask)).toEqual([0, 1, 2]);
    }
  });
});

describe("packed documents", () => {
  it("see themselves alone, count positions from 0 each, and leave padding behind them", () => {
    fc.assert(
      fc.property(lengthLists, fc.nat({ max: 5 }), (lengths, pads) => {
        const used = sum(lengths);
        const mask = VisibilityMask.packed(lengths, { seqLen: used + pads });
        const part = partOf(lengths);
        expect(drawn(mask)).toEqual(byRule(used + pads, (i, j) => i < used && j <= i && part[i] === part[j]));
        expect(positionsOf(mask)).toEqual([...offsets(lengths), ...Array<number>(pads).fill(0)]);
      }),
    );
  });

  it("need as many tokens as they have, unless told how many", () => {
    expect(VisibilityMask.packed([3, 4]).seqLen).toBe(7);
    expect(VisibilityMask.packed(Uint16Array.of(3, 4)).seqLen).toBe(7);
  });
});

describe("a tree", () => {
  it("shows every token its ancestors and itself, and counts positions along the path", () => {
    fc.assert(
      fc.property(anyParents(), (parents) => {
        const path = (i: number): number[] => (i < 0 ? [] : [...path(parents[i] as number), i]);
        const mask = VisibilityMask.tree(parents);
        expect(drawn(mask)).toEqual(byRule(parents.length, (i, j) => path(i).includes(j)));
        expect(positionsOf(mask)).toEqual(range(parents.length).map((i) => path(i).length - 1));
      }),
    );
  });

  it("refuses any order that is not depth-first, naming the first token out of place", () => {
    const descends = (parents: readonly number[], token: number, of: number): boolean =>
      token === of || (token >= 0 && descends(parents, parents[token] as number, of));
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 9 }), (choices) => {
        const parents = choices.map((choice, i) => (choice % (i + 1)) - 1);
        const wrong = parents.findIndex((parent, i) => parent >= 0 && !descends(parents, i - 1, parent));
        if (wrong < 0) expect(VisibilityMask.tree(parents).seqLen).toBe(parents.length);
        else expect(() => VisibilityMask.tree(parents)).toThrow(`token ${wrong} is not in depth-first order`);
      }),
    );
  });

  it("says where the branch ended that a late child belongs to", () => {
    expect(() => VisibilityMask.tree([-1, 0, 0, 1])).toThrow(
      "visibilityMask.tree: token 3 is not in depth-first order: its parent 1 can't have children after token 2, where " +
        "another branch began; put every token's descendants directly behind it",
    );
  });

  it.each([
    [[0], "token 0: expected an earlier token as parent, or -1 for a root, got 0"],
    [[-1, 1], "token 1: expected an earlier token as parent, or -1 for a root, got 1"],
    [[-1, -2], "token 1: expected an earlier token as parent, or -1 for a root, got -2"],
    [[-1, 0.5], "token 1: expected an earlier token as parent, or -1 for a root, got 0.5"],
    [[-1, Number.NaN], "token 1: expected an earlier token as parent, or -1 for a root, got NaN"],
  ])("refuses parents %j", (parents, message) => expect(() => VisibilityMask.tree(parents)).toThrow(message));

  it("takes a chain of 100,000 tokens", () => {
    const mask = VisibilityMask.tree(Int32Array.from({ length: 100_000 }, (_, i) => i - 1));
    expect(mask.position(99_999)).toBe(99_999);
    expect(mask.limit.every((limit) => limit === 100_000)).toBe(true);
  });
});

describe("a shared prompt", () => {
  it("is seen by all answers, which don't see each other and go on from its positions", () => {
    fc.assert(
      fc.property(sizes, lengthLists, (prompt, answers) => {
        const mask = VisibilityMask.sharedPrompt(prompt, answers);
        const part = [...Array<number>(prompt).fill(-1), ...partOf(answers)];
        const seen = (i: number, j: number) => j <= i && (j < prompt || part[i] === part[j]);
        expect(drawn(mask)).toEqual(byRule(prompt + sum(answers), seen));
        expect(positionsOf(mask)).toEqual([...range(prompt), ...offsets(answers).map((offset) => prompt + offset)]);
      }),
    );
  });

  it("gives every beam a run of slots behind it", () => {
    const beams = VisibilityMask.beams({ promptLength: 2, beams: 3, length: 2 });
    expect(beams).toEqual(VisibilityMask.sharedPrompt(2, [2, 2, 2]));
    expect(positionsOf(beams)).toEqual([0, 1, 2, 3, 2, 3, 2, 3]);
  });
});

describe("joining", () => {
  it("concat keeps every segment's cells and positions, apart from each other, and pads", () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 4 }), fc.nat({ max: 4 }), (masks, pads) => {
        const seqLen = sum(masks.map((mask) => mask.seqLen)) + pads;
        const joined = VisibilityMask.concat(masks, { seqLen });
        const part = partOf(masks.map((mask) => mask.seqLen));
        const offset = offsets(masks.map((mask) => mask.seqLen));
        const sees = (i: number, j: number) => {
          const mask = masks[part[i] ?? -1];
          return mask !== undefined && part[i] === part[j] && mask.isVisible(offset[i] as number, offset[j] as number);
        };
        expect(drawn(joined)).toEqual(byRule(seqLen, sees));
        expect(positionsOf(joined)).toEqual([
          ...masks.flatMap((mask) => positionsOf(mask)),
          ...Array<number>(pads).fill(0),
        ]);
      }),
      { numRuns: 50 },
    );
  });

  it("concat of causal documents is what packed makes", () => {
    const masks = [3, 1, 4].map((n) => VisibilityMask.causal(n));
    expect(VisibilityMask.concat(masks, { seqLen: 11 })).toEqual(VisibilityMask.packed([3, 1, 4], { seqLen: 11 }));
  });

  it("concat and stack keep tokens that were allowed to see nobody", () => {
    const blind = new VisibilityMask({ start: Int32Array.of(1, 1), limit: Int32Array.of(2, 2), allowBlind: true });
    expect(drawn(VisibilityMask.concat([blind, blind]))).toEqual(["0000", "1100", "0000", "0011"]);
    expect(drawn(VisibilityMask.stack([blind, blind]))).toEqual(["00", "11", "00", "11"]);
  });

  it("stack puts the rows of all under each other, with positions where one has any", () => {
    const [a, b] = [VisibilityMask.causal(3), VisibilityMask.packed([1, 2])];
    const both = VisibilityMask.stack([VisibilityMask.stack([a, a]), b]);
    expect(both.batchSize).toBe(3);
    expect(drawn(both)).toEqual([...drawn(a), ...drawn(a), ...drawn(b)]);
    expect([0, 1, 2].map((row) => positionsOf(both, row))).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 0, 1],
    ]);
    expect(VisibilityMask.stack([a, a]).positions).toBeUndefined();
  });
});

describe("every pattern", () => {
  it("gives arrays that the constructor accepts as they are", () => {
    fc.assert(
      fc.property(anyMask, ({ batchSize, start, limit, positions }) => {
        expect(() => new VisibilityMask({ batchSize, start, limit, positions, allowBlind: true })).not.toThrow();
      }),
    );
  });

  const bad = (value: unknown) => value as never;
  it.each<[string, () => VisibilityMask, string]>([
    [
      "a fraction",
      () => VisibilityMask.causal(2.5),
      "causal: seqLen must be a whole number from 0 to 2147483647, got 2.5",
    ],
    [
      "less than none",
      () => VisibilityMask.bidirectional(-1),
      "seqLen must be a whole number from 0 to 2147483647, got -1",
    ],
    [
      "text",
      () => VisibilityMask.padding(bad("8")),
      'padding: seqLen must be a whole number from 0 to 2147483647, got "8"',
    ],
    ["too much", () => VisibilityMask.causal(2 ** 31), "got 2147483648"],
    ["a long prefix", () => VisibilityMask.prefixLm(5, 4), "prefixLength must be a whole number from 0 to 4, got 5"],
    [
      "nothing for lengths",
      () => VisibilityMask.packed(bad(undefined)),
      "packed: lengths must be an array, got undefined",
    ],
    [
      "an empty document",
      () => VisibilityMask.packed([3, 0]),
      "the length of document 1 must be a whole number from 1",
    ],
    [
      "NaN for a length",
      () => VisibilityMask.packed([Number.NaN]),
      "the length of document 0 must be a whole number from 1",
    ],
    [
      "null for options",
      () => VisibilityMask.packed([1], bad(null)),
      "options must be an object or left out, got null",
    ],
    [
      "a row too short",
      () => VisibilityMask.packed([3, 4, 5], { seqLen: 8 }),
      "document 2 ends at token 12, beyond seqLen 8: leave it out or take a longer row",
    ],
    [
      "lengths beyond int32",
      () => VisibilityMask.packed([2, 2 ** 31 - 2]),
      "document 1 must be a whole number from 1 to 2147483645",
    ],
    [
      "a prompt of NaN",
      () => VisibilityMask.sharedPrompt(Number.NaN, [1]),
      "promptLength must be a whole number from 0",
    ],
    ["an empty answer", () => VisibilityMask.sharedPrompt(1, [1, 0]), "the length of answer 1 must be"],
    [
      "no beams",
      () => VisibilityMask.beams({ promptLength: 1, beams: 0, length: 1 }),
      "beams must be a whole number from 1",
    ],
    [
      "no slots",
      () => VisibilityMask.beams({ promptLength: 1, beams: 1, length: 0 }),
      "length must be a whole number from 1",
    ],
    ["no shape", () => VisibilityMask.beams(bad(undefined)), "options must be an object or left out, got undefined"],
    [
      "beams beyond int32",
      () => VisibilityMask.beams({ promptLength: 1, beams: 2 ** 20, length: 2 ** 20 }),
      "length must be",
    ],
    ["a list for a tree", () => VisibilityMask.tree(bad("abc")), 'tree: parents must be an array, got "abc"'],
    ["no masks", () => VisibilityMask.stack([]), "stack: masks must hold at least one mask, got none"],
    [
      "what is no mask",
      () => VisibilityMask.concat([VisibilityMask.causal(1), bad({})]),
      "concat: masks must be an array of VisibilityMask; element 1 is none",
    ],
    [
      "one mask",
      () => VisibilityMask.concat(bad(VisibilityMask.causal(1))),
      "masks must be an array of VisibilityMask",
    ],
    [
      "rows of unlike lengths",
      () => VisibilityMask.stack([VisibilityMask.causal(2), VisibilityMask.causal(3)]),
      "expected 2 tokens a row, as in mask 0; mask 1 has 3: pad with concat first",
    ],
    [
      "a batch in a row",
      () => VisibilityMask.concat([VisibilityMask.stack([VisibilityMask.causal(2), VisibilityMask.causal(2)])]),
      "mask 0 must have one row, got 2: take them apart",
    ],
    [
      "a full row and more",
      () => VisibilityMask.concat([VisibilityMask.causal(4)], { seqLen: 3 }),
      "mask 0 ends at token 4, beyond seqLen 3",
    ],
  ])("refuses %s", (_, make, message) => expect(make).toThrow(message));
});
