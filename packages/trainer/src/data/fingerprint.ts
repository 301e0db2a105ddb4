import { createHash } from "node:crypto";
import { type CorpusInput, conversationsOf, documentsOf, filesOf, sourceOf } from "./corpus-input.js";
import { fileBytes } from "./file-text.js";
import { wellFormed } from "./utf8.js";

/** Changes whenever the same inputs and options would give other files. */
const algorithm = 1;

/**
 * SHA-256 over `options` and every corpus: the names and contents of its files as they lie on disk, or its documents or
 * conversations. Where files lie does not matter.
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
    hash.update(JSON.stringify(identityOf(corpus)));
    for await (const { head, bytes } of sourceOf(corpus) === "memory" ? memoryParts(corpus) : fileParts(corpus)) {
      hash.update(head).update(bytes);
      onBytes(corpus.name, bytes.length);
    }
  }
  return hash.digest("hex");
}

function identityOf(corpus: CorpusInput): unknown[] {
  const { name, include } = corpus;
  return corpus.kind === "conversations"
    ? [name, "conversations", include]
    : [name, corpus.field, corpus.split, include];
}

/** Bytes to hash, after a head that sets them apart from what comes before. */
interface Part {
  readonly head: string;
  readonly bytes: Uint8Array;
}

async function* fileParts(corpus: CorpusInput): AsyncGenerator<Part> {
  for (const file of filesOf(corpus)) {
    let head = JSON.stringify([file.name, file.size]);
    for await (const bytes of fileBytes(file.path, false)) {
      yield { head, bytes };
      head = "";
    }
  }
}

async function* memoryParts(corpus: CorpusInput): AsyncGenerator<Part> {
  if (corpus.kind === "conversations") {
    for await (const { turns } of conversationsOf(corpus)) {
      const bytes = Buffer.from(JSON.stringify(turns), "utf8");
      yield { head: String(bytes.length), bytes };
    }
    return;
  }
  for await (const { id, text } of documentsOf(corpus)) {
    const bytes = Buffer.from(wellFormed(text), "utf8");
    yield { head: JSON.stringify([id, bytes.length]), bytes };
  }
}
