import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ConversationOptions,
  type ConversationTree,
  conversationRows,
  packConversations,
  stackRows,
  VisibilityMask,
} from "../../src/index.js";
import { conversationsOf, rowsIn, rowsOf, sumOver, trees } from "../support/separate.js";

const plain = (...conversations: number[][]): ConversationTree[] =>
  conversations.map((tokens) => ({ turns: [{ tokens }] }));
const list = (array: ArrayLike<number>, length = array.length) => Array.from(array).slice(0, length);

describe("packConversations", () => {
  it("merges what conversations share and lays the tree out depth-first", () => {
    const packed = packConversations(plain([1, 2, 3], [1, 2, 4, 5], [1, 6], [1, 2, 3]), { seqLen: 7 });
    expect(packed).toMatchObject({ batchSize: 1, used: 6, conversations: 4, separateTokens: 12, leftOut: 0 });
    expect(list(packed.tokens)).toEqual([1, 2, 3, 4, 5, 6, 0]);
    expect(list(packed.positions)).toEqual([0, 1, 2, 2, 3, 1, 0]);
    expect(list(packed.parents)).toEqual([-1, 0, 1, 1, 3, 0, -1]);
    expect(list(packed.weights)).toEqual([0, 3, 2, 1, 1, 1, 0]);
    expect(packed.mask).toEqual(VisibilityMask.concat([VisibilityMask.tree([-1, 0, 1, 1, 3, 0])], { seqLen: 7 }));
  });

  it("counts a conversation that others continue, and the same one twice", () => {
    const packed = packConversations(plain([1, 2], [1, 2, 3], [1, 2], [1]), { seqLen: 4 });
    expect(list(packed.tokens)).toEqual([1, 2, 3, 0]);
    expect(list(packed.weights)).toEqual([0, 3, 1, 0]);
  });

  it("gives each conversation the weight 1 with weighting conversation, and each token with sharedOnce", () => {
    const loss = [false, true, true, false];
    const forest: ConversationTree[] = [
      { turns: [{ tokens: [1, 2, 3, 4], loss }] },
      { turns: [{ tokens: [1, 2, 3] }, { tokens: [5, 6] }], weight: 2 },
    ];
    const weights = (weighting: "conversation" | "sharedOnce" | "token") =>
      list(packConversations(forest, { seqLen: 6, weighting }).weights);
    expect(weights("conversation")).toEqual([0, 1, 1, 0, 0.5, 0.5]);
    expect(weights("token")).toEqual([0, 3, 3, 0, 2, 2]);
    expect(weights("sharedOnce")).toEqual([0, 2, 2, 0, 2, 2]);
  });

  it("merges by tokens, by whole turns, or only what a tree says", () => {
    const answered = (...answers: number[][]): ConversationTree => ({
      turns: [{ tokens: [1, 2] }, ...answers.map((tokens) => ({ tokens, parent: 0 }))],
    });
    const forest = [answered([3, 4], [3, 5]), answered([3, 5])];
    const tokens = (merge: "tokens" | "turns" | "none") => {
      const packed = packConversations(forest, { seqLen: 10, merge });
      return list(packed.tokens, packed.used);
    };
    expect(tokens("tokens")).toEqual([1, 2, 3, 4, 5]);
    expect(tokens("turns")).toEqual([1, 2, 3, 4, 3, 5]);
    expect(tokens("none")).toEqual([1, 2, 3, 4, 3, 5, 1, 2, 3, 5]);
  });

  it("tells turns apart that have the same hash", () => {
    // FNV-1a: the second word makes up for what the first changed.
    const after = (word: number) => Math.imul(0x811c9dc5 ^ word, 0x01000193);
    const other = Array.from({ length: 9 }, (_, i) => 2 + i).find((word) => (after(1) ^ after(word)) >= 0) as number;
    const forest = plain([1, 7], [other, 7 ^ after(1) ^ after(other)]);
    expect(packConversations(forest, { seqLen: 8, merge: "turns" }).used).toBe(4);
  });

  it("splits a tree larger than a row, repeating the path and counting every conversation once", () => {
    const forest = plain([1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 6, 7], [1, 2, 6, 8], [1, 2]);
    const packed = packConversations(forest, { seqLen: 5 });
    expect(packed).toMatchObject({ batchSize: 2, used: 10 });
    expect(list(packed.tokens)).toEqual([1, 2, 3, 4, 5, 1, 2, 6, 7, 8]);
    expect(list(packed.weights)).toEqual([0, 3, 2, 1, 1, 0, 2, 2, 1, 1]);
  });

  const rules: Partial<ConversationOptions>[] = [{}, { overlap: 4 }, { tooLong: "truncate" }, { tooLong: "drop" }];
  const options = fc.record({
    seqLen: fc.integer({ min: 5, max: 40 }),
    merge: fc.constantFrom("tokens", "turns", "none"),
    weighting: fc.constantFrom("token", "conversation"),
    rule: fc.constantFrom(...rules),
  });

  it("gives the loss and the gradient of the separate conversations, however they are merged, split and cut", () => {
    fc.assert(
      fc.property(trees, options, (forest, { rule, ...rest }) => {
        const given = { ...rest, ...rule };
        const rows = conversationRows(forest, given);
        const separate = conversationsOf(forest, given).flatMap((conversation) => rowsOf(conversation, given));
        const expected = sumOver(separate);
        const actual = sumOver(rows.length ? rowsIn(stackRows(rows)) : []);
        // Weights are rounded to float32 (6e-8) where they are no small whole numbers; sums of doubles lose some 1e-14.
        const tolerance = given.weighting === "token" ? 1e-12 : 3e-7;
        const size = Math.max(1, ...expected.map(Math.abs));
        for (const [i, value] of expected.entries()) {
          expect(Math.abs((actual[i] ?? 0) - value)).toBeLessThanOrEqual(tolerance * size);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("has every prefix of the conversations exactly as often as rows need it, and nothing else", () => {
    fc.assert(
      fc.property(trees, fc.integer({ min: 5, max: 40 }), (forest, seqLen) => {
        const prefixes = new Set<string>();
        for (const { tokens } of conversationsOf(forest, { seqLen, tooLong: "truncate" })) {
          for (let i = 1; i <= tokens.length; i++) prefixes.add(tokens.slice(0, i).join(" "));
        }
        const rows = conversationRows(forest, { seqLen, tooLong: "truncate" });
        const found = rows.map(({ tokens, parents, used }) => {
          const paths: string[] = [];
          for (let i = 0; i < used; i++) paths.push(`${paths[parents[i] as number] ?? ""} ${tokens[i]}`.trim());
          expect(new Set(paths).size).toBe(used);
          return paths;
        });
        expect(new Set(found.flat())).toEqual(prefixes);
        if (prefixes.size <= seqLen) expect(rows.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("writes rows that are trees in depth-first order with padding behind", () => {
    fc.assert(
      fc.property(trees, options, (forest, { rule, ...rest }) => {
        for (const row of conversationRows(forest, { ...rest, ...rule })) {
          const { used, start, limit, positions, parents, weights, tokens } = row;
          const { seqLen } = rest;
          expect(tokens.length).toBe(seqLen);
          const mask = VisibilityMask.concat([VisibilityMask.tree(parents.subarray(0, used))], { seqLen });
          expect({ start, limit, positions }).toEqual({
            start: mask.start,
            limit: mask.limit,
            positions: mask.positions,
          });
          expect([tokens, weights].every((array) => array.subarray(used).every((value) => value === 0))).toBe(true);
          expect(parents.subarray(used).every((parent) => parent === -1)).toBe(true);
          expect(weights.every((weight, i) => weight === 0 || (parents[i] as number) >= 0)).toBe(true);
        }
      }),
    );
  });

  it("counts every shared token once with sharedOnce, also where rows repeat it", () => {
    fc.assert(
      fc.property(trees, fc.integer({ min: 5, max: 40 }), (forest, seqLen) => {
        const given = { seqLen, tooLong: "truncate", weighting: "sharedOnce" } as const;
        const expected = new Map<string, number>();
        for (const { tokens, weights } of conversationsOf(forest, given)) {
          for (const [i, weight] of weights.entries()) {
            const path = tokens.slice(0, i + 1).join(" ");
            expected.set(path, Math.max(expected.get(path) ?? 0, weight));
          }
        }
        const actual = new Map<string, number>();
        for (const { tokens, parents, weights, used } of conversationRows(forest, given)) {
          const paths: string[] = [];
          for (let i = 0; i < used; i++) {
            const path = `${paths[parents[i] as number] ?? ""} ${tokens[i]}`.trim();
            paths.push(path);
            actual.set(path, (actual.get(path) ?? 0) + (weights[i] as number));
          }
        }
        expect(actual).toEqual(expected);
      }),
    );
  });

  it("leaves out what is too long when told to, and says how many", () => {
    const forest = plain([1, 2, 3, 4, 5], [1, 2, 3]);
    const packed = packConversations(forest, { seqLen: 4, tooLong: "drop" });
    expect(packed).toMatchObject({ used: 3, conversations: 1, leftOut: 1, separateTokens: 3 });
    expect(list(packed.weights)).toEqual([0, 1, 1, 0]);
    expect(conversationRows(forest, { seqLen: 2, tooLong: "drop" })).toEqual([]);
  });

  it("packs a thousand conversations with one root in rows that are nearly full", () => {
    const forest = plain(
      ...Array.from({ length: 1000 }, (_, i) => [7, ...Array.from({ length: 1 + ((i * 37) % 50) }, () => i)]),
    );
    const packed = packConversations(forest, { seqLen: 256 });
    expect(packed.used / packed.tokens.length).toBeGreaterThan(0.99);
  });

  it("packs trees as deep as a row is long, with a branch at every token", () => {
    const seqLen = 3000;
    const turns = Array.from({ length: seqLen - 1 }, (_, i) => [
      { tokens: [1], parent: 2 * i - 2 < 0 ? -1 : 2 * i - 2 },
      { tokens: [2], parent: 2 * i },
    ]).flat();
    const packed = packConversations([{ turns }], { seqLen, merge: "none" });
    expect(packed.conversations).toBe(seqLen - 1);
    // A row down to depth d has room for seqLen - d leaves: 1 at the bottom, then 2, 4 and so on.
    expect(packed.batchSize).toBe(12);
  });
});
