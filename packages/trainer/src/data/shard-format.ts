import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { CaiError } from "@cai/native";

/**
 * Token shards and what stands beside them, as FORMAT.md in this folder lays them out: a header of 128 bytes, then
 * records of one length each. All numbers are little-endian.
 */
export const headerBytes = 128;
export const shardVersion = 1;

/** What each kind of file begins with, and how many bytes its records may have. */
export const shardKinds = {
  tokens: { magic: "CAITOKEN", widths: [2, 4] },
  /** A document's first token and the bytes of text before it. */
  index: { magic: "CAIINDEX", widths: [16] },
  /** A conversation tree's first token, the bytes of text before it, and its first turn. */
  trees: { magic: "CAITREES", widths: [24] },
  /** A turn's parent, its tokens, and where among them its loss begins and ends. */
  turns: { magic: "CAITURNS", widths: [16] },
} as const;

export type ShardKind = keyof typeof shardKinds;

export interface ShardHeader {
  /** Bytes of one record. */
  readonly recordBytes: number;
  /** Tokens, documents, trees or turns. */
  readonly records: number;
  /** Documents, or conversation trees. */
  readonly documents: number;
  /** UTF-8 bytes of all documents' text. */
  readonly textBytes: number;
  readonly vocabSize: number;
  readonly endOfText: number;
  /** SHA-256 of all that follows the header, hexadecimal. */
  readonly sha256: string;
  /** SHA-256 of the tokenizer.json, hexadecimal. */
  readonly tokenizerSha256: string;
}

/** The 128 bytes of a header. */
export function formatHeader(kind: ShardKind, header: ShardHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(shardKinds[kind].magic, 0, "latin1");
  bytes.writeUInt32LE(shardVersion, 8);
  bytes.writeUInt32LE(header.recordBytes, 12);
  bytes.writeBigUInt64LE(BigInt(header.records), 16);
  bytes.writeBigUInt64LE(BigInt(header.documents), 24);
  bytes.writeBigUInt64LE(BigInt(header.textBytes), 32);
  bytes.writeUInt32LE(header.vocabSize, 40);
  bytes.writeUInt32LE(header.endOfText, 44);
  bytes.write(header.sha256, 48, "hex");
  bytes.write(header.tokenizerSha256, 80, "hex");
  return bytes;
}

/**
 * Opens a shard and checks its header and size.
 *
 * @throws CaiError `E_IO` when it cannot be opened; `E_FORMAT` naming the file and what is wrong
 */
export function openShard(kind: ShardKind, path: string): { file: number; header: ShardHeader } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw new CaiError("E_IO", "tokenShard", `${path}: could not be opened: ${(cause as Error).message}`, { cause });
  }
  try {
    return { file, header: checkHeader(kind, path, file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function checkHeader(kind: ShardKind, path: string, file: number): ShardHeader {
  const { size } = fstatSync(file);
  if (size < headerBytes) refuseShard(path, `expected a header of ${headerBytes} bytes, got a file of ${size}`);
  const bytes = Buffer.alloc(headerBytes);
  readFully(file, path, bytes, 0);
  const expectedKind = shardKinds[kind];
  const magic = bytes.toString("latin1", 0, 8);
  if (magic !== expectedKind.magic) {
    refuseShard(path, `expected a file that begins with ${expectedKind.magic}, got ${JSON.stringify(magic)}`);
  }
  const version = bytes.readUInt32LE(8);
  if (version !== shardVersion) refuseShard(path, `expected format version ${shardVersion}, got ${version}`);
  const header = parseHeader(bytes);
  const widths: readonly number[] = expectedKind.widths;
  if (!widths.includes(header.recordBytes)) {
    refuseShard(path, `expected ${widths.join(" or ")} bytes a record, got ${header.recordBytes}`);
  }
  const expected = headerBytes + header.records * header.recordBytes;
  if (size !== expected) {
    refuseShard(
      path,
      `expected ${expected} bytes for ${header.records} records, got ${size}: it is cut off or foreign`,
    );
  }
  return header;
}

function parseHeader(bytes: Buffer): ShardHeader {
  return {
    recordBytes: bytes.readUInt32LE(12),
    records: Number(bytes.readBigUInt64LE(16)),
    documents: Number(bytes.readBigUInt64LE(24)),
    textBytes: Number(bytes.readBigUInt64LE(32)),
    vocabSize: bytes.readUInt32LE(40),
    endOfText: bytes.readUInt32LE(44),
    sha256: bytes.toString("hex", 48, 80),
    tokenizerSha256: bytes.toString("hex", 80, 112),
  };
}

/** Fills `bytes` from `position` of the file. @throws CaiError `E_FORMAT` at the file's end, `E_IO` otherwise */
export function readFully(file: number, path: string, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    let got: number;
    try {
      got = readSync(file, bytes, at, bytes.length - at, position + at);
    } catch (cause) {
      throw new CaiError("E_IO", "tokenShard", `${path}: could not be read: ${(cause as Error).message}`, { cause });
    }
    if (got === 0) refuseShard(path, `ends at byte ${position + at}, before what its header promises`);
    at += got;
  }
}

/** Puts tokens of two or four bytes into the machine's order, in place. The files are little-endian. */
export function swapOnBigEndian(bytes: Buffer, recordBytes: number): void {
  if (endianness() === "LE") return;
  if (recordBytes === 2) bytes.swap16();
  else bytes.swap32();
}

export function refuseShard(path: string, message: string): never {
  throw new CaiError("E_FORMAT", "tokenShard", `${path}: ${message}. Run \`cai prepare\` again.`);
}
