import { describe, expect, it } from "vitest";
import { type ConversationOptions, type ConversationTree, packConversations } from "../../src/index.js";

const fine = { turns: [{ tokens: [1, 2] }] };
/** A tree of two turns, the second with what is given. */
const second = (turn: object) => ({ turns: [{ tokens: [1, 2] }, { tokens: [3, 4], ...turn }] });
const parent =
  "the parent of turn 1 of tree 1, an earlier turn or -1 for none, must be a whole number from -1 to 0, got";

describe("packConversations refuses wrong trees and names what is wrong in them", () => {
  it.each([
    ["a parent that comes later", second({ parent: 2 }), `${parent} 2`],
    ["a turn that answers itself", second({ parent: 1 }), `${parent} 1`],
    ["a negative parent", second({ parent: -2 }), `${parent} -2`],
    ["a parent between turns", second({ parent: 0.5 }), `${parent} 0.5`],
    ["a parent that is no number", second({ parent: "0" }), `${parent} "0"`],
    ["a parent that is null", second({ parent: null }), `${parent} null`],
    [
      "a first turn that answers another",
      { turns: [{ tokens: [1], parent: 0 }] },
      "the parent of turn 0 of tree 1, an earlier turn or -1 for none, must be",
    ],
    ["no tokens", second({ tokens: undefined }), "the tokens of turn 1 of tree 1 must be an array, got undefined"],
    ["text for tokens", second({ tokens: "ab" }), 'the tokens of turn 1 of tree 1 must be an array, got "ab"'],
    ["a negative token", second({ tokens: [3, -1] }), "token 1 of turn 1 of tree 1 must be a token id"],
    ["a token that is NaN", second({ tokens: [Number.NaN] }), "token 0 of turn 1 of tree 1 must be a token id"],
    ["a token beyond int32", second({ tokens: Float64Array.of(2 ** 31) }), "token 0 of turn 1 of tree 1 must be"],
    ["a token that is a bigint", second({ tokens: [3n] }), "token 0 of turn 1 of tree 1 must be a token id"],
    ["a hole among tokens", second({ tokens: new Array(2) }), "token 0 of turn 1 of tree 1 must be a token id"],
    [
      "loss of another length",
      second({ loss: [true] }),
      "the loss of turn 1 of tree 1 must be one for each of 2 tokens, got 1",
    ],
    [
      "negative loss",
      second({ loss: [1, -1] }),
      "the loss of token 1 of turn 1 of tree 1 must be true, false or a finite",
    ],
    ["infinite loss", second({ loss: [Infinity, 1] }), "the loss of token 0 of turn 1 of tree 1 must be"],
    ["loss in words", second({ loss: ["yes", 1] }), "the loss of token 0 of turn 1 of tree 1 must be"],
    ["loss that is a number", second({ loss: 1 }), "the loss of turn 1 of tree 1 must be an array, got 1"],
    ["a turn that is null", { turns: [null] }, "turn 0 of tree 1 must be an object with tokens, got null"],
    ["a hole among turns", { turns: new Array(1) }, "turn 0 of tree 1 must be an object with tokens, got undefined"],
    ["no turns", {}, "the turns of tree 1 must be an array, got undefined"],
    ["a negative weight", { ...fine, weight: -1 }, "the weight of tree 1 must be a finite number from 0, got -1"],
    [
      "a weight that is NaN",
      { ...fine, weight: Number.NaN },
      "the weight of tree 1 must be a finite number from 0, got NaN",
    ],
    ["null for a tree", null, "tree 1 must be an object with turns, got null"],
  ])("%s", (_, tree, message) => {
    const pack = () => packConversations([fine, tree as ConversationTree], { seqLen: 8 });
    expect(pack).toThrow(message);
    expect(pack).toThrow(expect.objectContaining({ name: "CaiError", code: "E_ARGUMENT", op: "packConversations" }));
  });

  it.each([
    [{}, "seqLen must be a whole number from 2 to 67108864, got undefined"],
    [{ seqLen: 1 }, "seqLen must be"],
    [{ seqLen: 8, merge: "all" }, 'merge must be tokens or turns or none, got "all"'],
    [{ seqLen: 8, weighting: true }, "weighting must be token or conversation or sharedOnce, got true"],
    [{ seqLen: 8, tooLong: "keep" }, 'tooLong must be cut or truncate or drop or error, got "keep"'],
    [{ seqLen: 8, overlap: 8 }, "overlap must be a whole number from 1 to 7, got 8"],
    [{ seqLen: 8, overlap: 0 }, "overlap must be"],
    [null, "options must be an object"],
  ])("options %j", (options, message) => {
    expect(() => packConversations([fine], options as ConversationOptions)).toThrow(message);
  });

  it("a list that is none, and one with nothing in it", () => {
    expect(() => packConversations(fine as never, { seqLen: 8 })).toThrow("trees must be an array, got an object");
    for (const trees of [[], [{ turns: [] }], [{ turns: [{ tokens: [] }] }]]) {
      expect(() => packConversations(trees, { seqLen: 8 })).toThrow("expected at least one token to pack, got none");
    }
  });

  it("a conversation beyond the row, when that is to be an error", () => {
    const pack = () => packConversations([fine, second({})], { seqLen: 3, tooLong: "error" });
    expect(pack).toThrow("turn 1 of tree 1 ends its path at 4 tokens, beyond seqLen 3: shorten it, or set tooLong");
  });
});
