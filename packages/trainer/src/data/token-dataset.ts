import { CaiError } from "@cai/native";
import { corpusOf, type Manifest, readManifest, type Split } from "./manifest.js";
import { ShardReader } from "./shard-reader.js";

/** One document's place in a shard. */
export interface DocumentPlace {
  /** Its first token; its last is the end of text before the next document's first. */
  readonly start: number;
  /** Tokens, the end of text included. */
  readonly length: number;
  /** UTF-8 bytes of its text. */
  readonly bytes: number;
}

/** The tokens of one corpus and split, read from disk by position; memory does not grow with the corpus. */
export class TokenDataset {
  private constructor(
    readonly corpus: string,
    readonly split: Split,
    private readonly shard: ShardReader,
    private readonly index: ShardReader,
  ) {}

  /**
   * @param dir a directory that {@link prepareCorpora} wrote
   * @param manifest of that directory, when it was read before
   * @throws CaiError `E_IO` or `E_FORMAT` naming the file that is missing, cut off, or of another preparation;
   *   `E_ARGUMENT` for a corpus that is not there
   */
  static open(dir: string, corpus: string, split: Split, manifest: Manifest = readManifest(dir)): TokenDataset {
    const entry = corpusOf(manifest, corpus, "text").splits[split];
    const files = ShardReader.openAll(dir, { tokens: entry.shard, index: entry.index }, manifest);
    return new TokenDataset(corpus, split, files.tokens, files.index);
  }

  /** Tokens in all, ends of text included. */
  get tokens(): number {
    return this.shard.header.records;
  }

  get documents(): number {
    return this.shard.header.documents;
  }

  /** UTF-8 bytes of the documents' text. */
  get bytes(): number {
    return this.shard.header.textBytes;
  }

  get endOfText(): number {
    return this.shard.header.endOfText;
  }

  /**
   * Reads `length` tokens from `position` into `out`, from `outOffset` of it.
   *
   * @throws CaiError `E_ARGUMENT` for a range outside the shard or `out`; `E_FORMAT` for an id outside the vocabulary
   */
  read(position: number, length: number, out: Int32Array, outOffset = 0): void {
    this.checkRange(position, length);
    this.shard.tokens(position, length, out, outOffset);
  }

  /** The place of a document by its number. @throws CaiError `E_ARGUMENT` where there is none; `E_FORMAT` for a place that cannot be */
  document(number: number): DocumentPlace {
    if (!Number.isInteger(number) || number < 0 || number >= this.documents) {
      throw new CaiError(
        "E_ARGUMENT",
        "TokenDataset",
        `expected a document from 0 to ${this.documents - 1}, got ${number}`,
      );
    }
    const records = this.index.records(number, number + 1 === this.documents ? 1 : 2);
    const value = (field: number) => Number(records.getBigUint64(8 * field, true));
    const isLast = records.byteLength === 16;
    const [start, end] = [value(0), isLast ? this.tokens : value(2)];
    if (end <= start || end > this.tokens) {
      const expected = `document ${number}: expected a range within ${this.tokens} tokens`;
      this.index.refuse(`${expected}, got ${start} to ${end}`);
    }
    return { start, length: end - start, bytes: (isLast ? this.bytes : value(3)) - value(1) };
  }

  /** Reads both files whole and compares their checksums. @throws CaiError `E_FORMAT` naming the damaged one */
  verify(): void {
    this.shard.verify();
    this.index.verify();
  }

  close(): void {
    this.shard.close();
    this.index.close();
  }

  private checkRange(position: number, length: number): void {
    const whole = Number.isInteger(position) && Number.isInteger(length);
    if (whole && position >= 0 && length >= 0 && position + length <= this.tokens) return;
    throw new CaiError(
      "E_ARGUMENT",
      "TokenDataset",
      `${this.corpus} ${this.split}: expected a range within ${this.tokens} tokens, got ${length} from ${position}`,
    );
  }
}
