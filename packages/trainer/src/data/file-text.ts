import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { CaiError } from "@cai/native";
import { Utf8Reader } from "./utf8.js";

const chunkBytes = 1 << 18;

/** The bytes of a file in chunks, unpacked when `gzip` is set. @throws CaiError `E_IO`, or `E_FORMAT` for bad gzip */
export async function* fileBytes(path: string, gzip: boolean): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  const gunzip = gzip ? createGunzip({ chunkSize: chunkBytes }) : undefined;
  // pipe() hands no errors on.
  if (gunzip) file.on("error", (error) => gunzip.destroy(error)).pipe(gunzip);
  try {
    yield* gunzip ?? file;
  } catch (cause) {
    throw explain(path, cause as NodeJS.ErrnoException);
  } finally {
    gunzip?.destroy();
    file.destroy();
  }
}

/** The text of a UTF-8 file in pieces. @throws CaiError as {@link fileBytes}, `E_FORMAT` for invalid UTF-8 */
export async function* fileText(path: string, gzip: boolean): AsyncGenerator<string> {
  const utf8 = new Utf8Reader(gzip ? `${path} (unpacked)` : path);
  for await (const bytes of fileBytes(path, gzip)) yield utf8.push(bytes);
  utf8.end();
}

function explain(path: string, cause: NodeJS.ErrnoException): CaiError {
  if (cause.code === "Z_BUF_ERROR") {
    const message = `${path}: the gzip stream is truncated: the file is incomplete, copy or download it again`;
    return new CaiError("E_FORMAT", "readDocuments", message, { cause });
  }
  if (cause.code?.startsWith("Z_")) {
    return new CaiError("E_FORMAT", "readDocuments", `${path}: expected gzip, got: ${cause.message}`, { cause });
  }
  return new CaiError("E_IO", "readDocuments", `${path}: could not be read: ${cause.message}`, { cause });
}
