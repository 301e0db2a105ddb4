import { bytesPerElement, CaiError, sizeOf } from "@cai/native";
import { encodeHeader, type StreamedTensor, type TensorSource } from "./safetensors-header.js";
import { type FileDigest, writeSynced } from "./synced-file.js";
import { tensorChunks } from "./tensor-bytes.js";

/**
 * Writes tensors as a new safetensors file, straight from their memory, and syncs it.
 *
 * The same tensors and metadata give the same bytes, whatever their order. Strided tensors are written row-major.
 *
 * @param path must not exist yet.
 * @param tensors in memory, or streamed.
 * @returns size and sha256 of the file.
 * @throws CaiError `E_SHAPE`, `E_DEVICE`, `E_ARGUMENT` (a tensor named `__metadata__`).
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileDigest> {
  const { bytes, order } = encodeHeader(tensors, metadata);
  return await writeSynced(path, chunks());

  async function* chunks() {
    yield bytes;
    for (const [name, tensor] of order) {
      if ("chunks" in tensor) yield* streamed(name, tensor);
      else yield* tensorChunks(name, tensor);
    }
  }
}

async function* streamed(name: string, { dtype, shape, chunks }: StreamedTensor): AsyncGenerator<Uint8Array> {
  const expected = sizeOf(shape) * bytesPerElement(dtype);
  let bytes = 0;
  for await (const chunk of chunks()) {
    bytes += chunk.length;
    yield chunk;
  }
  if (bytes === expected) return;
  const tensor = `tensor ${JSON.stringify(name)} [${shape}]`;
  throw new CaiError("E_SHAPE", "safetensors", `${tensor} takes ${expected} bytes, got ${bytes}`);
}
