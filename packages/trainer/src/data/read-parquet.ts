import { isUtf8 } from "node:buffer";
import { CaiError } from "@cai/native";
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { fileBytes } from "./file-text.js";
import type { InputFile, ReadOptions, TextDocument } from "./read-documents.js";
import { invalidUtf8At } from "./utf8.js";

/** The documents of a Parquet file's text column, a row group at a time. Rows are counted from 1. */
export async function* readParquet(file: InputFile, options: ReadOptions, gzip: boolean): AsyncGenerator<TextDocument> {
  const { field = "text" } = options;
  const content = gzip ? await unpacked(file.path) : await asyncBufferFromFile(file.path);
  const metadata = await refusing(file, () => parquetMetadataAsync(content));
  checkColumn(file, metadata, field);
  let row = 0;
  for (const group of metadata.row_groups) {
    const rowStart = row;
    const rowEnd = rowStart + Number(group.num_rows);
    // Bytes are kept as they are: the library would put U+FFFD where they are not UTF-8.
    const parsers = { stringFromBytes: (bytes: Uint8Array) => bytes };
    const columns = [field];
    const records = await refusing(file, () =>
      parquetReadObjects({ file: content, metadata, columns, rowStart, rowEnd, compressors, parsers }),
    );
    for (const record of records) {
      row++;
      yield { id: `${file.name}:${row}`, text: textOf(record[field], `${file.path}: row ${row}`, field) };
    }
  }
}

function textOf(value: unknown, place: string, field: string): string {
  if (!(value instanceof Uint8Array)) {
    const kind = value === null || value === undefined ? "null" : `a ${typeof value}`;
    refuse(`${place}: expected column ${JSON.stringify(field)} to be a string, got ${kind}`);
  }
  if (!isUtf8(value)) refuse(`${place}: expected UTF-8, got an invalid byte at ${invalidUtf8At(value)} of the text`);
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8");
}

function checkColumn(file: InputFile, metadata: FileMetaData, field: string): void {
  const paths = metadata.row_groups[0]?.columns.map((column) => column.meta_data?.path_in_schema ?? []);
  // A longer path is a column within a list or struct.
  const columns = paths?.filter((path) => path.length === 1).map(([name]) => name);
  if (columns && !columns.includes(field)) {
    refuse(
      `${file.path}: expected a column ${JSON.stringify(field)}, found ${columns.join(", ")}. Name it with \`field\`.`,
    );
  }
}

async function unpacked(path: string): Promise<AsyncBuffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of fileBytes(path, true)) chunks.push(chunk);
  const bytes = Uint8Array.from(Buffer.concat(chunks));
  return { byteLength: bytes.length, slice: (start, end) => bytes.buffer.slice(start, end) };
}

async function refusing<Result>(file: InputFile, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    throw new CaiError(
      "E_FORMAT",
      "readDocuments",
      `${file.path}: not readable as Parquet: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

function refuse(message: string): never {
  throw new CaiError("E_FORMAT", "readDocuments", message);
}
