import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { renameDurably, temporaryName } from "./atomic-file.js";
import {
  formatHeader,
  headerBytes,
  type ShardHeader,
  type ShardKind,
  shardKinds,
  swapOnBigEndian,
} from "./shard-format.js";

/** What the manifest keeps of a written file. */
export interface WrittenFile {
  readonly file: string;
  readonly sha256: string;
}

/** What a file's tokens are of. */
export interface Vocabulary {
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly sha256: string;
}

export interface ShardTotals {
  readonly tokens: number;
  /** Documents, or conversation trees. */
  readonly documents: number;
  /** UTF-8 bytes of the documents' text. */
  readonly bytes: number;
}

/** The token shard of one corpus and split and the files beside it, under temporary names until {@link commit}. */
export class ShardFiles<Kind extends ShardKind> {
  private readonly files = new Map<ShardKind, RecordFile>();
  private readonly tokenBytes: 2 | 4;
  private tokenCount = 0;

  /** @param stem the path without `.tokens` or the other kinds' suffixes */
  constructor(
    private readonly stem: string,
    private readonly vocabulary: Vocabulary,
    private readonly kinds: readonly Kind[],
  ) {
    this.tokenBytes = vocabulary.vocabSize <= 1 << 16 ? 2 : 4;
    try {
      this.files.set("tokens", new RecordFile("tokens", `${stem}.tokens`, this.tokenBytes));
      for (const kind of kinds)
        this.files.set(kind, new RecordFile(kind, `${stem}.${kind}`, shardKinds[kind].widths[0]));
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Tokens written so far. */
  get tokens(): number {
    return this.tokenCount;
  }

  writeTokens(ids: ArrayLike<number>): void {
    const wide = this.tokenBytes === 2 ? new Uint16Array(ids.length) : new Uint32Array(ids.length);
    wide.set(ids);
    const bytes = Buffer.from(wide.buffer, wide.byteOffset, wide.byteLength);
    swapOnBigEndian(bytes, this.tokenBytes);
    this.files.get("tokens")?.write(bytes);
    this.tokenCount += wide.length;
  }

  /** Writes records to the file of a kind. */
  write(kind: Kind, records: Uint8Array): void {
    this.files.get(kind)?.write(records);
  }

  /** Completes, syncs and renames all files. */
  commit({ documents, bytes }: ShardTotals): Record<Kind | "shard", WrittenFile> {
    const { vocabSize, endOfText, sha256 } = this.vocabulary;
    const shared = { documents, textBytes: bytes, vocabSize, endOfText, tokenizerSha256: sha256 };
    const written = (kind: ShardKind) => {
      const file = this.files.get(kind) as RecordFile;
      return { file: basename(`${this.stem}.${kind}`), sha256: file.commit(shared) };
    };
    // What describes the tokens is in place before them.
    const described = this.kinds.map((kind) => [kind, written(kind)] as const);
    return Object.fromEntries([...described, ["shard", written("tokens")]]) as Record<Kind | "shard", WrittenFile>;
  }

  /** Removes what was not committed. */
  discard(): void {
    for (const file of this.files.values()) file.discard();
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
  private written = 0;

  constructor(
    private readonly kind: ShardKind,
    private readonly path: string,
    private readonly recordBytes: number,
  ) {
    this.temporary = temporaryName(path);
    this.file = openSync(this.temporary, "wx");
    writeFully(this.file, Buffer.alloc(headerBytes));
  }

  write(bytes: Uint8Array): void {
    this.written += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + bufferBytes - this.buffered);
      this.buffer.set(part, this.buffered);
      this.buffered += part.length;
      at += part.length;
      if (this.buffered === bufferBytes) this.flush();
    }
  }

  commit(header: Omit<ShardHeader, "sha256" | "recordBytes" | "records">): string {
    this.flush();
    const { recordBytes } = this;
    const sha256 = this.hash.digest("hex");
    const file = this.file as number;
    writeFully(
      file,
      formatHeader(this.kind, { ...header, recordBytes, records: this.written / recordBytes, sha256 }),
      0,
    );
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
