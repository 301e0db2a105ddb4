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

/** Of every so many documents one start is kept in memory, to know where in the index to look. */
const indexStride = 256;

/** The tokens of one corpus and split, read from disk by position; memory does not grow with the corpus. */
export class TokenDataset {
  /** The first token of every {@link indexStride}-th document. */
  private readonly sampledStarts: Float64Array;

  private constructor(
    readonly corpus: string,
    readonly split: Split,
    private readonly shard: ShardReader,
    private readonly index: ShardReader,
  ) {
    this.sampledStarts = new Float64Array(Math.ceil(this.documents / indexStride));
    for (let i = 0; i < this.sampledStarts.length; i++) {
      this.sampledStarts[i] = this.readIndex(i * indexStride, 1)[0] as number;
    }
  }

  /**
   * @param dir a directory that {@link prepareCorpora} wrote
   * @param manifest of that directory, when it was read before
   * @throws CaiError `E_IO` or `E_FORMAT` naming the file that is missing, cut off, or of another preparation;
   *   `E_ARGUMENT` for a corpus that is not there
   */
  static open(dir: string, corpus: string, split: Split, manifest: Manifest = readManifest(dir)): TokenDataset {
    const entry = corpusOf(manifest, corpus, "text").splits[split];
    const files = ShardReader.openAll(dir, { tokens: entry.shard, index: entry.index }, manifest);
    try {
      return new TokenDataset(corpus, split, files.tokens, files.index);
    } catch (error) {
      for (const file of Object.values(files)) file.close();
      throw error;
    }
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

  /** The positions from `position` to before `position + length` at which a document begins, in order. */
  documentStarts(position: number, length: number): number[] {
    this.checkRange(position, length);
    const starts: number[] = [];
    for (let document = this.documentAt(position); document < this.documents; document += indexStride) {
      const records = this.readIndex(document, Math.min(indexStride, this.documents - document));
      for (let i = 0; i < records.length; i += 2) {
        const start = records[i] as number;
        if (start >= position + length) return starts;
        if (start >= position) starts.push(start);
      }
    }
    return starts;
  }

  /** The place of a document by its number. @throws CaiError `E_ARGUMENT` when there is no such document */
  document(number: number): DocumentPlace {
    if (!Number.isInteger(number) || number < 0 || number >= this.documents) {
      throw new CaiError(
        "E_ARGUMENT",
        "TokenDataset",
        `expected a document from 0 to ${this.documents - 1}, got ${number}`,
      );
    }
    const last = number + 1 === this.documents;
    const [start = 0, bytes = 0, nextStart = this.tokens, nextBytes = this.bytes] = this.readIndex(
      number,
      last ? 1 : 2,
    );
    return { start, length: nextStart - start, bytes: nextBytes - bytes };
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

  /** A document that begins at or before `position` and at most {@link indexStride} documents before the first after. */
  private documentAt(position: number): number {
    let low = 0;
    let high = this.sampledStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.sampledStarts[middle] as number) <= position) low = middle;
      else high = middle;
    }
    return low * indexStride;
  }

  /** Start and bytes before it, alternating, of `count` documents. */
  private readIndex(first: number, count: number): number[] {
    const records = this.index.records(first, count);
    return Array.from({ length: 2 * count }, (_, i) => Number(records.getBigUint64(8 * i, true)));
  }
}
