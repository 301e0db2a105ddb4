import { checkWhole, describe } from "@cai/portable/arguments";
import { refuse } from "../refuse.js";
import { type BranchTree, branchesOf, type Rules } from "./branches.js";
import type { ConversationTree } from "./conversation-tree.js";
import { type ConversationOptions, rulesOf } from "./conversations.js";
import { RowWriter } from "./row-writer.js";
import { newArrays, type PackedBatch, type PackedRow, stackRows } from "./rows.js";
import { liveTokens } from "./trie.js";

const op = "packStream";

export interface StreamOptions extends ConversationOptions {
  /** B, rows of a batch, from 1, its default; the last one may have fewer. */
  readonly batchSize?: number;
  /** Tokens, before merging, that wait for others to fill a row with, from `seqLen`; 256 rows of them when absent. */
  readonly bufferTokens?: number;
}

/** Rows at least this full leave the buffer. */
const fullEnough = 0.98;

/**
 * {@link packConversations} for what does not fit into memory: batches come as rows fill.
 *
 * When `bufferTokens` wait, they are merged and packed; rows that are 98 % full are given out, and the fuller half of them in
 * any case, until half the buffer is free. The conversations of the others wait on; most are packed once or twice.
 * Memory is bounded by the buffer, the last tree read and one batch, some 100 bytes a token. What is merged are conversations
 * that wait at the same time; the loss is that of the separate conversations all the same (with `sharedOnce`, a token counts
 * once for all that wait together). At the end all rows are given out. Rows of a buffer come with the longest parts first.
 *
 * @param source conversation trees, or documents: a list of tokens is a conversation of one turn. Tokens must not change
 *   while they wait.
 * @throws CaiError as {@link packConversations}; trees are counted from 0. Nothing to pack gives no batch.
 */
export async function* packStream(
  source: AsyncIterable<ConversationTree | ArrayLike<number>> | Iterable<ConversationTree | ArrayLike<number>>,
  options: StreamOptions,
): AsyncGenerator<PackedBatch, void, undefined> {
  const rules = rulesOf(options, op);
  const { batchSize = 1, bufferTokens = 256 * rules.seqLen } = options;
  checkWhole(batchSize, "batchSize", 1, 2 ** 26, op);
  checkWhole(bufferTokens, "bufferTokens", rules.seqLen, Number.MAX_SAFE_INTEGER, op);
  if (!(Symbol.asyncIterator in Object(source) || Symbol.iterator in Object(source))) {
    refuse(op, `source must be iterable, got ${describe(source)}`);
  }
  const buffer = new Buffer(rules);
  const ready: PackedRow[] = [];
  let index = 0;
  for await (const item of source) {
    buffer.add(branchesOf(asTree(item), `tree ${index++}`, rules, op));
    if (buffer.tokens < bufferTokens) continue;
    while (buffer.tokens > bufferTokens / 2) for (const row of buffer.take(fullEnough)) ready.push(row);
    while (ready.length >= batchSize) yield stackRows(ready.splice(0, batchSize));
  }
  for (const row of buffer.take(0)) ready.push(row);
  while (ready.length > 0) yield stackRows(ready.splice(0, batchSize));
}

function asTree(item: ConversationTree | ArrayLike<number>): ConversationTree {
  const isTokens = Array.isArray(item) || ArrayBuffer.isView(item);
  return isTokens ? { turns: [{ tokens: item as ArrayLike<number> }] } : (item as ConversationTree);
}

/** Conversations that are in no row yet. */
class Buffer {
  tokens = 0;
  #trees: BranchTree[] = [];

  constructor(private readonly rules: Rules) {}

  add(tree: BranchTree): void {
    const tokens = liveTokens(tree);
    if (tokens > 0) this.#trees.push(tree);
    this.tokens += tokens;
  }

  /** Takes out the rows of which `share` holds tokens, and the fuller half at least. */
  take(share: number): PackedRow[] {
    const { seqLen } = this.rules;
    const writer = new RowWriter(this.#trees, this.rules);
    const lengths = Int32Array.from(writer.rows, ({ length }) => length).sort();
    const least = Math.min(share * seqLen, lengths[lengths.length >> 1] ?? 0);
    const rows = writer.rows
      .filter(({ length }) => length >= least)
      .map((run) => {
        const row = { ...newArrays(seqLen), used: run.length };
        writer.write(run, row);
        return row;
      });
    const trees = this.#trees;
    this.#trees = [];
    this.tokens = 0;
    for (const tree of trees) this.add(tree);
    for (const { branches } of this.#trees) for (const branch of branches) if (branch.live) writer.settle(branch);
    return rows;
  }
}
