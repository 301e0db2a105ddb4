import type { Tensor } from "@cai/native";
import { encodeHeader } from "./safetensors-header.js";
import { type FileDigest, writeSynced } from "./synced-file.js";
import { tensorChunks } from "./tensor-bytes.js";

/**
 * Writes tensors as a new safetensors file, straight from their memory, and syncs it.
 *
 * The same tensors and metadata give the same bytes, whatever their order. Strided tensors are written row-major.
 *
 * @param path must not exist yet.
 * @returns size and sha256 of the file.
 * @throws CaiError `E_SHAPE`, `E_DEVICE`, `E_ARGUMENT` (a tensor named `__metadata__`).
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileDigest> {
  const { bytes, order } = encodeHeader(tensors, metadata);
  return await writeSynced(path, chunks());

  function* chunks() {
    yield bytes;
    for (const [name, tensor] of order) yield* tensorChunks(name, tensor);
  }
}
