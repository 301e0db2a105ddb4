import { readdirSync, type Stats, statSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { CaiError } from "@cai/native";
import { readJsonl } from "./read-jsonl.js";
import { readParquet } from "./read-parquet.js";
import { readText } from "./read-text.js";

/** One document: a unit of text that the model sees as a whole. */
export interface TextDocument {
  /** Where it comes from: the file's name below the path given, then `:` and a line, row or part where there are several. */
  readonly id: string;
  readonly text: string;
}

export interface ReadOptions {
  /** The field of each JSONL object, or the Parquet column, that holds the text. Default `text`. */
  field?: string;
  /**
   * How a text file is cut into documents: not at all (`file`, the default), at runs of at least two blank lines
   * (`blank-lines`), or at form feeds (`form-feed`). What separates belongs to no document.
   */
  split?: "file" | "blank-lines" | "form-feed";
  /** Which files of a directory are taken, as a pattern for the path below it, such as `chapter_*.txt`. Default all. */
  include?: string;
}

/** One input file as {@link listInputFiles} finds it. */
export interface InputFile {
  readonly path: string;
  /** The path below the directory given, with `/` on every system; the file's name for a single file. */
  readonly name: string;
  readonly size: number;
}

const readers = { txt: readText, jsonl: readJsonl, parquet: readParquet } as const;
const documentKinds = ["txt", "jsonl", "parquet"] as const;

/**
 * The documents of a `.txt`, `.jsonl` or `.parquet` file, each also with `.gz`, or of a directory of them.
 *
 * Files of a directory are read in the order of their names' code units, directories within it too; other files in it
 * are passed over. Files are streamed: a document at a time of text and JSONL, a row group at a time of Parquet (a
 * `.parquet.gz` is unpacked into memory). Text must be UTF-8; a byte-order mark at the very beginning is dropped.
 * Empty documents are passed over.
 *
 * @throws CaiError `E_IO` for what is missing or cannot be read; `E_FORMAT` naming file and line, row or byte for
 *   broken JSON, a missing or wrong field, invalid UTF-8, damaged or truncated gzip and Parquet; `E_ARGUMENT` for a
 *   kind of file that is not known
 */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<TextDocument> {
  for (const file of listInputFiles(path, options)) yield* readFile(file, options);
}

/** The files that {@link readDocuments} reads, in its order; with `kinds` only those with such endings. */
export function listInputFiles(
  path: string,
  options: Pick<ReadOptions, "include"> = {},
  kinds: readonly string[] = documentKinds,
): InputFile[] {
  const suffix = suffixOf(kinds);
  const found = stat(path);
  if (!found.isDirectory()) {
    if (!suffix.test(path)) refuse(`${path}: expected a name that ends in ${listed(kinds)}, also with .gz`);
    return [{ path, name: basename(path), size: found.size }];
  }
  const matches = options.include === undefined ? () => true : globMatcher(options.include);
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && suffix.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: file, name: relative(path, file).split(sep).join("/"), size: stat(file).size }))
    .filter((file) => matches(file.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (files.length === 0) {
    const which = options.include === undefined ? "" : ` that match ${options.include}`;
    refuse(`${path}: expected ${listed(kinds)} files${which} in the directory, found none`);
  }
  return files;
}

async function* readFile(file: InputFile, options: ReadOptions): AsyncGenerator<TextDocument> {
  const [, kind, gzip] = suffixOf(documentKinds).exec(file.path) ?? [];
  const read = readers[kind as keyof typeof readers];
  for await (const document of read(file, options, gzip !== undefined)) {
    if (document.text !== "") yield document;
  }
}

function suffixOf(kinds: readonly string[]): RegExp {
  return new RegExp(`\\.(${kinds.join("|")})(\\.gz)?$`);
}

function listed(kinds: readonly string[]): string {
  return kinds.map((kind) => `.${kind}`).join(", ");
}

function stat(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw new CaiError("E_IO", "readDocuments", `${path}: no such file or directory, or not readable`, { cause });
  }
}

/** `*` stands for anything but `/`, `?` for one such character, `**` for anything. */
function globMatcher(pattern: string): (name: string) => boolean {
  const source = pattern
    .replace(/[\\^$.+()[\]{}|]/g, "\\$&")
    .replace(/\*\*|\*|\?/g, (wild) => (wild === "**" ? ".*" : wild === "*" ? "[^/]*" : "[^/]"));
  const regExp = new RegExp(`^${source}$`, "u");
  return (name) => regExp.test(name);
}

function refuse(message: string): never {
  throw new CaiError("E_ARGUMENT", "readDocuments", message);
}
