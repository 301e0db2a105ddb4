import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { renameDurably, temporaryName } from "./atomic-file.js";
import { formatHeader, headerBytes, type ShardHeader, type ShardKind, swapOnBigEndian } from "./shard-format.js";

/** What the manifest keeps of a written file. */
export interface WrittenFile {
  readonly file: string;
  readonly sha256: string;
}

export interface ShardTotals {
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes of the documents' text. */
  readonly bytes: number;
}

interface Vocabulary {
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly sha256: string;
}

/** Writes the shard of one corpus and split, and the index beside it, under temporary names until {@link commit}. */
export class ShardWriter {
  private readonly tokens: RecordFile;
  private readonly index: RecordFile;
  private readonly tokenBytes: 2 | 4;
  private tokenCount = 0;
  private documentCount = 0;
  private byteCount = 0;

  /** @param stem the path without `.tokens` or `.index` */
  constructor(
    private readonly stem: string,
    private readonly vocabulary: Vocabulary,
  ) {
    this.tokenBytes = vocabulary.vocabSize <= 1 << 16 ? 2 : 4;
    this.tokens = new RecordFile("tokens", `${stem}.tokens`);
    try {
      this.index = new RecordFile("index", `${stem}.index`);
    } catch (error) {
      this.tokens.discard();
      throw error;
    }
  }

  get totals(): ShardTotals {
    return { tokens: this.tokenCount, documents: this.documentCount, bytes: this.byteCount };
  }

  /** Adds one document of `textBytes` UTF-8 bytes; an end of text follows it. */
  add(ids: Int32Array, textBytes: number): void {
    const record = Buffer.alloc(16);
    record.writeBigUInt64LE(BigInt(this.tokenCount), 0);
    record.writeBigUInt64LE(BigInt(this.byteCount), 8);
    this.index.write(record);
    const wide = this.tokenBytes === 2 ? new Uint16Array(ids.length + 1) : new Uint32Array(ids.length + 1);
    wide.set(ids);
    wide[ids.length] = this.vocabulary.endOfText;
    const bytes = Buffer.from(wide.buffer, wide.byteOffset, wide.byteLength);
    swapOnBigEndian(bytes, this.tokenBytes);
    this.tokens.write(bytes);
    this.tokenCount += wide.length;
    this.documentCount += 1;
    this.byteCount += textBytes;
  }

  /** Completes, syncs and renames both files. */
  commit(): { shard: WrittenFile; index: WrittenFile } {
    const shared = {
      documents: this.documentCount,
      textBytes: this.byteCount,
      vocabSize: this.vocabulary.vocabSize,
      endOfText: this.vocabulary.endOfText,
      tokenizerSha256: this.vocabulary.sha256,
    };
    const index = this.index.commit({ ...shared, recordBytes: 16, records: this.documentCount });
    const tokens = this.tokens.commit({ ...shared, recordBytes: this.tokenBytes, records: this.tokenCount });
    const name = basename(this.stem);
    return { shard: { file: `${name}.tokens`, sha256: tokens }, index: { file: `${name}.index`, sha256: index } };
  }

  /** Removes what was not committed. */
  discard(): void {
    this.tokens.discard();
    this.index.discard();
  }
}

const bufferBytes = 1 << 20;

/** A header, left open until the end, and records after it, with their checksum. */
class RecordFile {
  private readonly temporary: string;
  private readonly buffer = Buffer.alloc(bufferBytes);
  private readonly hash: Hash = createHash("sha256");
  private file: number | undefined;
  private buffered = 0;

  constructor(
    private readonly kind: ShardKind,
    private readonly path: string,
  ) {
    this.temporary = temporaryName(path);
    this.file = openSync(this.temporary, "wx");
    writeFully(this.file, Buffer.alloc(headerBytes));
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + bufferBytes - this.buffered);
      this.buffer.set(part, this.buffered);
      this.buffered += part.length;
      at += part.length;
      if (this.buffered === bufferBytes) this.flush();
    }
  }

  commit(header: Omit<ShardHeader, "sha256">): string {
    this.flush();
    const sha256 = this.hash.digest("hex");
    const file = this.file as number;
    writeFully(file, formatHeader(this.kind, { ...header, sha256 }), 0);
    fsyncSync(file);
    closeSync(file);
    this.file = undefined;
    renameDurably(this.temporary, this.path);
    return sha256;
  }

  discard(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
    rmSync(this.temporary, { force: true });
  }

  private flush(): void {
    const part = this.buffer.subarray(0, this.buffered);
    this.hash.update(part);
    writeFully(this.file as number, part);
    this.buffered = 0;
  }
}

function writeFully(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(file, bytes, at, bytes.length - at, position === null ? null : position + at);
  }
}
