import { checkChoice, checkList, checkOptions, checkWhole } from "@cai/portable/arguments";
import { type BranchTree, branchesOf, type Rules } from "./branches.js";
import { checkSome } from "./check.js";
import type { ConversationTree } from "./conversation-tree.js";
import { RowWriter } from "./row-writer.js";
import { batchOf, newArrays, type PackedArrays, type PackedBatch, type PackedRow, rowOf } from "./rows.js";

export interface ConversationOptions {
  /** T, tokens of a row, 2 to 2²⁶. */
  readonly seqLen: number;
  /**
   * What conversations of all trees share, from their beginning on: `tokens`, the default, has every common token once;
   * `turns` whole common turns; `none` only what a tree itself says.
   */
  readonly merge?: "tokens" | "turns" | "none";
  /**
   * What a conversation weighs: `token`, the default, 1 for each of its loss tokens; `conversation`, 1 over their number. A
   * token weighs the sum over the conversations through it. With `sharedOnce` it weighs 1 however many there are.
   * All are multiplied by the weight of the tree and the loss of the token; the largest holds with `sharedOnce`.
   */
  readonly weighting?: "token" | "conversation" | "sharedOnce";
  /**
   * What becomes of conversations longer than a row. `cut`, the default: as {@link cutDocument} does, and a piece sees nothing
   * of what it does not repeat. `truncate`: the rest is left out. `drop`: they are left out. `error`: an error.
   */
  readonly tooLong?: "cut" | "truncate" | "drop" | "error";
  /** With `cut`, how many tokens a piece repeats as context from the one before, 1 (the default) to `seqLen` - 1. */
  readonly overlap?: number;
}

export interface PackedConversations extends PackedBatch {
  /** How many there are in the rows; the tokens they had without merging and splitting; how many were too long and dropped. */
  readonly conversations: number;
  readonly separateTokens: number;
  readonly leftOut: number;
}

/**
 * Merges conversations into trees and packs these into rows by {@link bestFitDecreasing}, depth-first: every token sees those
 * before it in its conversation, and its position is its place in it.
 *
 * The loss of a batch, as {@link PackedBatch} has it, and its gradient are the sums over the separate conversations, each
 * weighed by `weighting`. A conversation is a path from a root to a turn that nothing answers; the same one twice
 * counts twice, and so does one that others continue. The first token of a conversation is predicted by nothing and weighs 0.
 *
 * A tree larger than a row is split; its rows repeat the path from the root to what they hold, and each conversation counts
 * in one of them. Time is linear in the tokens read and written. A pure function of its arguments.
 *
 * @throws CaiError `E_ARGUMENT` naming the tree, turn or token that is wrong, or when there are no tokens to pack.
 */
export function packConversations(
  trees: readonly ConversationTree[],
  options: ConversationOptions,
): PackedConversations {
  const op = "packConversations";
  const read = readTrees(trees, options, op);
  const { arrays, rows } = write(read.trees, read.rules);
  checkSome(rows.length, op);
  const used = rows.reduce((sum, row) => sum + row.used, 0);
  const count = (name: "conversations" | "separateTokens" | "leftOut") =>
    read.trees.reduce((sum, tree) => sum + tree[name], 0);
  return {
    ...batchOf(arrays, read.rules.seqLen, used),
    conversations: count("conversations"),
    separateTokens: count("separateTokens"),
    leftOut: count("leftOut"),
  };
}

/** The rows of {@link packConversations}, one by one and without a mask: none where there is nothing to pack. */
export function conversationRows(trees: readonly ConversationTree[], options: ConversationOptions): PackedRow[] {
  const read = readTrees(trees, options, "conversationRows");
  return write(read.trees, read.rules).rows;
}

const merges = ["tokens", "turns", "none"];
const weightings = ["token", "conversation", "sharedOnce"];
const waysOut = ["cut", "truncate", "drop", "error"];

/** Options with their defaults. @throws CaiError `E_ARGUMENT` for one that is wrong. */
export function rulesOf(options: ConversationOptions, op: string): Rules {
  checkOptions(options, op);
  const { seqLen, merge = "tokens", weighting = "token", tooLong = "cut", overlap = 1 } = options;
  checkWhole(seqLen, "seqLen", 2, 2 ** 26, op);
  checkChoice(merge, "merge", merges, op);
  checkChoice(weighting, "weighting", weightings, op);
  checkChoice(tooLong, "tooLong", waysOut, op);
  checkWhole(overlap, "overlap", 1, seqLen - 1, op);
  return { seqLen, merge, weighting, tooLong, overlap };
}

function readTrees(
  trees: readonly ConversationTree[],
  options: ConversationOptions,
  op: string,
): { trees: BranchTree[]; rules: Rules } {
  const rules = rulesOf(options, op);
  checkList(trees, "trees", op);
  return { rules, trees: Array.from(trees, (tree, index) => branchesOf(tree, `tree ${index}`, rules, op)) };
}

function write(trees: readonly BranchTree[], rules: Rules): { arrays: PackedArrays; rows: PackedRow[] } {
  const writer = new RowWriter(trees, rules);
  const arrays = newArrays(writer.rows.length * rules.seqLen);
  const rows = writer.rows.map((run, index) => {
    const row = rowOf(arrays, index, rules.seqLen, run.length);
    writer.write(run, row);
    return row;
  });
  return { arrays, rows };
}
