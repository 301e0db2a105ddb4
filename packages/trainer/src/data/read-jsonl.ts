import { CaiError } from "@cai/native";
import { fileText } from "./file-text.js";
import type { InputFile, ReadOptions, TextDocument } from "./read-documents.js";

/** The documents of a file with one JSON object a line; blank lines are passed over. */
export async function* readJsonl(file: InputFile, options: ReadOptions, gzip: boolean): AsyncGenerator<TextDocument> {
  const { field = "text" } = options;
  let line = 0;
  for await (const content of lines(fileText(file.path, gzip))) {
    line++;
    if (content.trim() === "") continue;
    yield { id: `${file.name}:${line}`, text: textOf(content, field, `${file.path}:${line}`) };
  }
}

function textOf(line: string, field: string, place: string): string {
  const record = parseLine(line, place);
  if (typeof record !== "object" || record === null || Array.isArray(record)) {
    refuse(`${place}: expected a JSON object, got ${kindOf(record)}`);
  }
  if (!Object.hasOwn(record, field)) {
    const fields = Object.keys(record).slice(0, 8).join(", ") || "none";
    refuse(
      `${place}: expected a field ${JSON.stringify(field)}, found fields: ${fields}. Name the field with \`field\`.`,
    );
  }
  const text = (record as Record<string, unknown>)[field];
  if (typeof text !== "string") {
    refuse(`${place}: expected field ${JSON.stringify(field)} to be a string, got ${kindOf(text)}`);
  }
  return text;
}

/** The JSON of one line. @throws CaiError `E_FORMAT` naming `place`. */
export function parseLine(line: string, place: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    refuse(`${place}: expected one JSON object a line, got: ${(cause as Error).message}`, cause);
  }
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
}

/** The lines of a text that comes in pieces, without their ends. */
export async function* lines(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let pending: string[] = [];
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", start)) {
      pending.push(piece.slice(start, end));
      yield pending.join("");
      pending = [];
      start = end + 1;
    }
    if (start < piece.length) pending.push(piece.slice(start));
  }
  if (pending.length > 0) yield pending.join("");
}

function refuse(message: string, cause?: unknown): never {
  throw new CaiError("E_FORMAT", "readDocuments", message, { cause });
}
