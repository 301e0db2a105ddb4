import { ShardFiles, type ShardTotals, type Vocabulary, type WrittenFile } from "./shard-files.js";

/** Writes the shard of one corpus and split, and the index beside it, under temporary names until {@link commit}. */
export class ShardWriter {
  private readonly files: ShardFiles<"index">;
  private documents = 0;
  private bytes = 0;

  /** @param stem the path without `.tokens` or `.index` */
  constructor(
    stem: string,
    private readonly vocabulary: Vocabulary,
  ) {
    this.files = new ShardFiles(stem, vocabulary, ["index"]);
  }

  get totals(): ShardTotals {
    return { tokens: this.files.tokens, documents: this.documents, bytes: this.bytes };
  }

  /** Adds one document of `textBytes` UTF-8 bytes; an end of text follows it. */
  add(ids: Int32Array, textBytes: number): void {
    const record = Buffer.alloc(16);
    record.writeBigUInt64LE(BigInt(this.files.tokens), 0);
    record.writeBigUInt64LE(BigInt(this.bytes), 8);
    this.files.write("index", record);
    this.files.writeTokens(ids);
    this.files.writeTokens([this.vocabulary.endOfText]);
    this.documents += 1;
    this.bytes += textBytes;
  }

  /** Completes, syncs and renames both files. */
  commit(): Record<"shard" | "index", WrittenFile> {
    return this.files.commit(this.totals);
  }

  /** Removes what was not committed. */
  discard(): void {
    this.files.discard();
  }
}
