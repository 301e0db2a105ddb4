import { CaiError } from "@cai/native";
import type { ConversationTree, ConversationTurn } from "@cai/visibility-mask";
import { ShardFiles, type ShardTotals, type Vocabulary, type WrittenFile } from "./shard-files.js";

/** The bytes of a turn's record. */
export const turnBytes = 16;

/** The bytes of a tree's record. */
export const treeBytes = 24;

/** What a root has in place of its parent's number. */
export const noParent = 0xffffffff;

/** Writes the conversation trees of one corpus and split, under temporary names until {@link commit}. */
export class ConversationWriter {
  private readonly files: ShardFiles<"trees" | "turns">;
  private trees = 0;
  private turns = 0;
  private bytes = 0;
  private lossTokens = 0;

  /** @param stem the path without `.tokens`, `.trees` or `.turns` */
  constructor(stem: string, vocabulary: Vocabulary) {
    this.files = new ShardFiles(stem, vocabulary, ["trees", "turns"]);
  }

  /** `lossTokens` counts each token once that is to be predicted, however many conversations go through it. */
  get totals(): ShardTotals & { readonly lossTokens: number } {
    const { trees: documents, bytes, lossTokens } = this;
    return { tokens: this.files.tokens, documents, bytes, lossTokens };
  }

  /** Adds one tree of `textBytes` UTF-8 bytes of text, in which each turn's loss is on one run of its tokens. */
  add(tree: ConversationTree, textBytes: number): void {
    const { turns } = tree;
    const treeRecord = Buffer.alloc(treeBytes);
    [this.files.tokens, this.bytes, this.turns].forEach((number, i) => {
      treeRecord.writeBigUInt64LE(BigInt(number), 8 * i);
    });
    this.files.write("trees", treeRecord);
    const records = new DataView(new ArrayBuffer(turns.length * turnBytes));
    turns.forEach((turn, i) => {
      const { parent = i - 1, tokens } = turn;
      const { from, to } = lossRun(turn);
      [parent < 0 ? noParent : parent, tokens.length, from, to].forEach((number, field) => {
        records.setUint32(i * turnBytes + 4 * field, number, true);
      });
      this.lossTokens += to - from;
      this.files.writeTokens(tokens);
    });
    this.files.write("turns", new Uint8Array(records.buffer));
    this.trees += 1;
    this.turns += turns.length;
    this.bytes += textBytes;
  }

  /** Completes, syncs and renames the files. */
  commit(): Record<"shard" | "trees" | "turns", WrittenFile> {
    return this.files.commit(this.totals);
  }

  /** Removes what was not committed. */
  discard(): void {
    this.files.discard();
  }
}

function lossRun({ tokens, loss = true }: ConversationTurn): { from: number; to: number } {
  if (typeof loss === "boolean") return { from: 0, to: loss ? tokens.length : 0 };
  const marks = Array.from(loss, Boolean);
  const from = Math.max(0, marks.indexOf(true));
  const to = marks.lastIndexOf(true) + 1;
  if (marks.slice(from, to).every(Boolean)) return { from, to };
  throw new CaiError("E_ARGUMENT", "conversationWriter", "expected a turn's loss to be on one run of its tokens");
}
