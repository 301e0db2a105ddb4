import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { Manifest } from "./manifest.js";
import type { WrittenFile } from "./shard-files.js";
import {
  headerBytes,
  openShard,
  readFully,
  refuseShard,
  type ShardHeader,
  type ShardKind,
  swapOnBigEndian,
} from "./shard-format.js";

/** A file that a manifest names, open and checked to be the one it means. */
export class ShardReader {
  private constructor(
    private readonly file: number,
    readonly path: string,
    readonly header: ShardHeader,
  ) {}

  /** @throws CaiError `E_IO` or `E_FORMAT` naming the file that is missing, cut off, or of another preparation. */
  static open(kind: ShardKind, dir: string, named: WrittenFile, manifest: Manifest): ShardReader {
    const path = join(dir, named.file);
    const { file, header } = openShard(kind, path);
    const wrong = [
      header.sha256 === named.sha256 ? "" : "its checksum is not the one in the manifest",
      header.tokenizerSha256 === manifest.tokenizer.sha256 ? "" : "it was written with another tokenizer",
    ].find((problem) => problem !== "");
    if (wrong === undefined) return new ShardReader(file, path, header);
    closeSync(file);
    return refuseShard(path, wrong);
  }

  /** Opens files of several kinds, or none of them. */
  static openAll<Kind extends ShardKind>(
    dir: string,
    named: Readonly<Record<Kind, WrittenFile>>,
    manifest: Manifest,
  ): Record<Kind, ShardReader> {
    const opened: [string, ShardReader][] = [];
    try {
      for (const [kind, file] of Object.entries(named) as [Kind, WrittenFile][]) {
        opened.push([kind, ShardReader.open(kind, dir, file, manifest)]);
      }
      return Object.fromEntries(opened) as Record<Kind, ShardReader>;
    } catch (error) {
      for (const [, reader] of opened) reader.close();
      throw error;
    }
  }

  /** The bytes of `count` records from `first`. */
  records(first: number, count: number): DataView {
    const { recordBytes } = this.header;
    const bytes = new Uint8Array(count * recordBytes);
    readFully(this.file, this.path, bytes, headerBytes + first * recordBytes);
    return new DataView(bytes.buffer);
  }

  /** Reads ids. @throws CaiError `E_ARGUMENT` for a range outside `out`; `E_FORMAT` for an id outside the vocabulary. */
  tokens(position: number, length: number, out: Int32Array, outOffset = 0): void {
    if (outOffset < 0 || outOffset + length > out.length) {
      throw new CaiError(
        "E_ARGUMENT",
        "TokenDataset",
        `read: out has ${out.length} elements, needs ${outOffset + length}`,
      );
    }
    const { recordBytes, vocabSize } = this.header;
    const raw = recordBytes === 2 ? new Uint16Array(length) : new Uint32Array(length);
    const bytes = Buffer.from(raw.buffer);
    readFully(this.file, this.path, bytes, headerBytes + position * recordBytes);
    swapOnBigEndian(bytes, recordBytes);
    for (let i = 0; i < length; i++) {
      const id = raw[i] as number;
      if (id >= vocabSize) this.refuse(`token ${position + i}: expected an id below ${vocabSize}, got ${id}`);
      out[outOffset + i] = id;
    }
  }

  /** Reads the file whole and compares its checksum. @throws CaiError `E_FORMAT` when it is damaged. */
  verify(): void {
    const { records, recordBytes, sha256 } = this.header;
    const hash = createHash("sha256");
    const size = records * recordBytes;
    const chunk = Buffer.alloc(Math.min(size, 1 << 20));
    for (let at = 0; at < size; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, size - at));
      readFully(this.file, this.path, part, headerBytes + at);
      hash.update(part);
    }
    if (hash.digest("hex") !== sha256) this.refuse("its content does not match its checksum: it is damaged");
  }

  close(): void {
    closeSync(this.file);
  }

  /** @throws CaiError `E_FORMAT` naming the file. */
  refuse(message: string): never {
    return refuseShard(this.path, message);
  }
}
