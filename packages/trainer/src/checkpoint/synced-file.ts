import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";

/** Size and sha256 (hexadecimal) of a file. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Bytes that are hashed while the ones before are on their way to the disk. */
export const chunkBytes = 4 * 1024 * 1024;

/**
 * Writes a new file from chunks, straight from their memory, and syncs it to the disk.
 *
 * A chunk may reuse the memory of the one before. When anything fails, no part of the file stays.
 */
export async function writeSynced(path: string, chunks: Chunks): Promise<FileDigest> {
  const hash = createHash("sha256");
  const file = await open(path, "wx");
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      const written = writeAll(file, chunk);
      hash.update(chunk);
      await written;
      bytes += chunk.length;
    }
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Size and sha256 of a file, read in chunks. */
export async function digestFile(path: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    const buffers = [new Uint8Array(chunkBytes), new Uint8Array(chunkBytes)] as const;
    let bytes = 0;
    let reading = file.read(buffers[0], 0, chunkBytes, 0);
    for (let turn = 1; ; turn ^= 1) {
      const { bytesRead, buffer } = await reading;
      if (bytesRead === 0) break;
      bytes += bytesRead;
      reading = file.read(buffers[turn as 0 | 1], 0, chunkBytes, bytes);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

/** Makes renames and new names in a directory last through a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } catch (error) {
    // Some network file systems can't sync a directory, and have no other way to ask for it.
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  } finally {
    await directory.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.length) offset += (await file.write(chunk, offset)).bytesWritten;
}
