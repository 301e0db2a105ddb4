import { endianness } from "node:os";
import { bytesPerElement, CaiError, sizeOf, type Tensor } from "@cai/native";
import { chunkBytes } from "./synced-file.js";

/**
 * The data of a tensor in row-major order, in chunks: views of its own memory when it is dense, otherwise gathered
 * into one buffer that every chunk reuses.
 *
 * @throws CaiError `E_SHAPE` when the data is shorter than the shape needs, `E_DEVICE` off the CPU.
 */
export function* tensorChunks(name: string, tensor: Tensor): Generator<Uint8Array> {
  requireLittleEndianCpu(name, tensor);
  const count = sizeOf(tensor.shape);
  if (count === 0) return;
  if (furthestElement(tensor) >= tensor.data.length) {
    throw new CaiError(
      "E_SHAPE",
      "safetensors",
      `tensor ${JSON.stringify(name)} [${tensor.shape}] reaches beyond its ${tensor.data.length} elements`,
    );
  }
  yield* isDense(tensor) ? views(denseBytes(tensor)) : gathered(tensor, count);
}

/** The memory of a dense tensor. */
export function denseBytes(tensor: Tensor): Uint8Array {
  const { data, dtype, shape } = tensor;
  return new Uint8Array(data.buffer, data.byteOffset, sizeOf(shape) * bytesPerElement(dtype));
}

/** Whether a tensor is row-major without gaps. */
export function isDense({ shape, strides }: Tensor): boolean {
  if (!strides) return true;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i] ?? 1;
  }
  return true;
}

/** Refuses what can't be copied to or from a file byte by byte. */
export function requireLittleEndianCpu(name: string, { device }: Tensor): void {
  if (device !== "cpu" || endianness() !== "LE") {
    const place = device === "cpu" ? "on a big-endian machine" : `on ${device}`;
    throw new CaiError(
      "E_DEVICE",
      "safetensors",
      `tensor ${JSON.stringify(name)} is ${place}: copy it to the CPU first`,
    );
  }
}

function furthestElement({ shape, strides }: Tensor): number {
  if (!strides) return sizeOf(shape) - 1;
  return shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] ?? 0), 0);
}

function* views(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

function* gathered({ shape, strides = [], data, dtype }: Tensor, count: number): Generator<Uint8Array> {
  const width = bytesPerElement(dtype);
  const capacity = Math.min(count, chunkBytes / width);
  const Elements = data.constructor as new (length: number) => Tensor["data"];
  const buffer = new Elements(capacity);
  const index = shape.map(() => 0);
  let offset = 0;
  let filled = 0;
  for (let done = 0; done < count; done++) {
    buffer[filled++] = data[offset] as number;
    if (filled === capacity || done === count - 1) {
      yield new Uint8Array(buffer.buffer, 0, filled * width);
      filled = 0;
    }
    for (let d = shape.length - 1; d >= 0; d--) {
      const next = (index[d] ?? 0) + 1;
      const stride = strides[d] ?? 0;
      offset += stride;
      index[d] = next;
      if (next < (shape[d] ?? 1)) break;
      offset -= next * stride;
      index[d] = 0;
    }
  }
}
