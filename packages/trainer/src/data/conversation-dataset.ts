import { CaiError } from "@cai/native";
import type { ConversationTree, ConversationTurn } from "@cai/visibility-mask";
import { noParent, turnBytes } from "./conversation-writer.js";
import { corpusOf, type Manifest, readManifest, type Split } from "./manifest.js";
import { ShardReader } from "./shard-reader.js";

/** The conversation trees of one corpus and split, read from disk one by one; memory does not grow with the corpus. */
export class ConversationDataset {
  private constructor(
    readonly corpus: string,
    readonly split: Split,
    private readonly files: Record<"tokens" | "trees" | "turns", ShardReader>,
  ) {}

  /**
   * @param dir a directory that {@link prepareCorpora} wrote
   * @param manifest of that directory, when it was read before
   * @throws CaiError `E_IO` or `E_FORMAT` naming the file that is missing, cut off, or of another preparation;
   *   `E_ARGUMENT` for a corpus that is not there or is not of conversations
   */
  static open(dir: string, corpus: string, split: Split, manifest: Manifest = readManifest(dir)): ConversationDataset {
    const { shard, trees, turns } = corpusOf(manifest, corpus, "conversations").splits[split];
    const files = ShardReader.openAll(dir, { tokens: shard, trees, turns }, manifest);
    return new ConversationDataset(corpus, split, files);
  }

  /** Trees in all. */
  get trees(): number {
    return this.files.trees.header.records;
  }

  /** Tokens in all. */
  get tokens(): number {
    return this.files.tokens.header.records;
  }

  /** UTF-8 bytes of the turns' text. */
  get bytes(): number {
    return this.files.tokens.header.textBytes;
  }

  /**
   * A tree by its number.
   *
   * @throws CaiError `E_ARGUMENT` when there is no such tree; `E_FORMAT` naming file, tree and turn for a structure that
   *   is none, or an id outside the vocabulary
   */
  tree(number: number): ConversationTree {
    if (!Number.isInteger(number) || number < 0 || number >= this.trees) {
      const expected = `a tree from 0 to ${this.trees - 1}`;
      throw new CaiError("E_ARGUMENT", "ConversationDataset", `${this.corpus}: expected ${expected}, got ${number}`);
    }
    const { start, end, firstTurn, endTurn } = this.place(number);
    const tokens = new Int32Array(end - start);
    this.files.tokens.tokens(start, tokens.length, tokens);
    const records = this.files.turns.records(firstTurn, endTurn - firstTurn);
    const turns: ConversationTurn[] = [];
    let at = 0;
    for (let i = 0; i < endTurn - firstTurn; i++) {
      const [parent = 0, length = 0, from = 0, to = 0] = [0, 4, 8, 12].map((field) =>
        records.getUint32(i * turnBytes + field, true),
      );
      const wrong = [
        i === 0 ? parent !== noParent : parent >= i,
        length > tokens.length - at || (length < tokens.length - at && i === endTurn - firstTurn - 1),
        from > to || to > length,
      ].indexOf(true);
      if (wrong >= 0) {
        const what = ["an earlier turn as its parent", `${tokens.length} tokens in all`, "a loss within its tokens"][
          wrong
        ];
        this.files.turns.refuse(
          `tree ${number}: turn ${i}: expected ${what}, got ${[parent, length, from, to].join(", ")}`,
        );
      }
      const loss = from < to && new Uint8Array(length).fill(1, from, to);
      turns.push({ tokens: tokens.subarray(at, at + length), parent: i === 0 ? -1 : parent, loss });
      at += length;
    }
    return { turns };
  }

  /** Reads all files whole and compares their checksums. @throws CaiError `E_FORMAT` naming the damaged one. */
  verify(): void {
    for (const file of Object.values(this.files)) file.verify();
  }

  close(): void {
    for (const file of Object.values(this.files)) file.close();
  }

  /** Where a tree's tokens and turns are. */
  private place(number: number): { start: number; end: number; firstTurn: number; endTurn: number } {
    const { trees, tokens, turns } = this.files;
    const isLast = number + 1 === this.trees;
    const records = trees.records(number, isLast ? 1 : 2);
    const field = (offset: number) => Number(records.getBigUint64(offset, true));
    const [start, firstTurn] = [field(0), field(16)];
    const [end, endTurn] = isLast ? [tokens.header.records, turns.header.records] : [field(24), field(40)];
    if (start >= end || end > tokens.header.records || firstTurn >= endTurn || endTurn > turns.header.records) {
      const bounds = `${tokens.header.records} tokens and ${turns.header.records} turns`;
      const came = `tokens ${start} to ${end}, turns ${firstTurn} to ${endTurn}`;
      trees.refuse(`tree ${number}: expected a place within ${bounds}, got ${came}`);
    }
    return { start, end, firstTurn, endTurn };
  }
}
