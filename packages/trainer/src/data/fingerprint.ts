import { createHash } from "node:crypto";
import { fileBytes } from "./file-text.js";
import { listInputFiles, type ReadOptions, readDocuments, type TextDocument } from "./read-documents.js";
import { wellFormed } from "./utf8.js";

/** One corpus to prepare: files, or documents from elsewhere. */
export interface CorpusInput extends ReadOptions {
  /** Letters, digits, `_`, `.` and `-`; it names files and weights. */
  name: string;
  /** A file or directory for {@link readDocuments}; this or `documents`. */
  path?: string;
  /** Gives all documents anew at each call, in the same order: they are read two or three times. */
  documents?: () => AsyncIterable<TextDocument> | Iterable<TextDocument>;
}

/** The documents of a corpus from the start. */
export function documentsOf(corpus: CorpusInput): AsyncIterable<TextDocument> | Iterable<TextDocument> {
  return corpus.documents ? corpus.documents() : readDocuments(corpus.path ?? "", corpus);
}

/** Changes whenever the same inputs and options would give other files. */
const algorithm = 1;

/**
 * SHA-256 over `options` and every corpus: the names and contents of its files as they lie on disk, or its documents.
 * Where files lie does not matter.
 *
 * @param onBytes told how many bytes were read since the last call
 */
export async function fingerprintOf(
  corpora: readonly CorpusInput[],
  options: unknown,
  onBytes: (corpus: string, bytes: number) => void,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([algorithm, options]));
  for (const corpus of corpora) {
    const { name, field, split, include } = corpus;
    hash.update(JSON.stringify([name, field, split, include]));
    for await (const { head, bytes } of corpus.documents ? documentParts(corpus) : fileParts(corpus)) {
      hash.update(head).update(bytes);
      onBytes(name, bytes.length);
    }
  }
  return hash.digest("hex");
}

/** Bytes to hash, after a head that sets them apart from what comes before. */
interface Part {
  readonly head: string;
  readonly bytes: Uint8Array;
}

async function* fileParts(corpus: CorpusInput): AsyncGenerator<Part> {
  for (const file of listInputFiles(corpus.path ?? "", corpus)) {
    let head = JSON.stringify([file.name, file.size]);
    for await (const bytes of fileBytes(file.path, false)) {
      yield { head, bytes };
      head = "";
    }
  }
}

async function* documentParts(corpus: CorpusInput): AsyncGenerator<Part> {
  for await (const { id, text } of documentsOf(corpus)) {
    const bytes = Buffer.from(wellFormed(text), "utf8");
    yield { head: JSON.stringify([id, bytes.length]), bytes };
  }
}
