import { CaiError } from "@cai/native";
import { fileText } from "./file-text.js";
import type { InputFile, ReadOptions, TextDocument } from "./read-documents.js";

/** Two blank lines or more, whatever spaces they hold; `\r\n` counts as a line's end too. */
const separators = { "blank-lines": /\r?\n(?:[ \t]*\r?\n){2,}/g, "form-feed": /\f/g } as const;

const textFollows = /[ \t\r\n]*[^ \t\r\n]/y;

/** V8 holds strings of up to 2^29 - 24 units; beyond half of that a document is no unit of text any more. */
const longestDocument = 1 << 28;

/** The documents of a text file; see {@link ReadOptions}. */
export async function* readText(file: InputFile, options: ReadOptions, gzip: boolean): AsyncGenerator<TextDocument> {
  const { split = "file" } = options;
  if (split === "file") {
    const pieces: string[] = [];
    let length = 0;
    for await (const piece of fileText(file.path, gzip)) {
      length += piece.length;
      checkLength(file, length);
      pieces.push(piece);
    }
    yield { id: file.name, text: pieces.join("") };
    return;
  }
  let part = 0;
  for await (const text of splitPieces(file, fileText(file.path, gzip), separators[split])) {
    if (text.trim() !== "") yield { id: `${file.name}:${++part}`, text };
  }
}

async function* splitPieces(file: InputFile, pieces: AsyncIterable<string>, separator: RegExp): AsyncGenerator<string> {
  let pending = "";
  for await (const piece of pieces) {
    pending += piece;
    let start = 0;
    for (const match of pending.matchAll(separator)) {
      const end = match.index + match[0].length;
      // Until something else follows, blank lines may go on in the next piece.
      textFollows.lastIndex = end;
      if (!textFollows.test(pending)) break;
      yield pending.slice(start, match.index);
      start = end;
    }
    pending = pending.slice(start);
    checkLength(file, pending.length);
  }
  yield* pending.split(separator);
}

function checkLength(file: InputFile, length: number): void {
  if (length <= longestDocument) return;
  throw new CaiError(
    "E_FORMAT",
    "readDocuments",
    `${file.path}: expected documents of at most ${longestDocument} characters, got a longer one: ` +
      "split the file, for example with split: blank-lines",
  );
}
