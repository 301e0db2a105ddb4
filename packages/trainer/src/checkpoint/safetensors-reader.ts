import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { CaiError, type Tensor, zeros } from "@cai/native";
import { decodeHeader, type Header, maxHeaderBytes, type TensorInfo } from "./safetensors-header.js";
import { chunkBytes } from "./synced-file.js";
import { denseBytes, isDense, requireLittleEndianCpu } from "./tensor-bytes.js";

/** An open safetensors file: the header is read and checked, the data is read by position when asked for. */
export class SafetensorsFile {
  readonly #file: FileHandle;
  readonly #dataStart: number;
  readonly #header: Header;
  readonly path: string;

  private constructor(path: string, file: FileHandle, dataStart: number, header: Header) {
    this.path = path;
    this.#file = file;
    this.#dataStart = dataStart;
    this.#header = header;
  }

  /** @throws CaiError `E_IO` when it can't be opened, `E_FORMAT` when any part of the header is wrong. */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await openForReading(path);
    try {
      const { json, dataStart, dataBytes } = await readHeaderBytes(file, basename(path));
      return new SafetensorsFile(path, file, dataStart, decodeHeader(basename(path), json, dataBytes));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** dtype, shape and place of every tensor, in the order of the header. */
  get tensors(): ReadonlyMap<string, TensorInfo> {
    return this.#header.tensors;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#header.metadata;
  }

  /** One tensor, in new memory. @throws CaiError `E_FORMAT` when there is none of that name. */
  async read(name: string): Promise<Tensor> {
    const { dtype, shape } = this.#info(name);
    const tensor = zeros(shape, dtype);
    await this.readInto(name, tensor);
    return tensor;
  }

  /**
   * Reads one tensor into memory that is there already.
   *
   * @param target dense, of the same dtype and shape. @throws CaiError `E_FORMAT`, `E_SHAPE`.
   */
  async readInto(name: string, target: Tensor): Promise<void> {
    const { dtype, shape, begin } = this.#info(name);
    requireLittleEndianCpu(name, target);
    const same = target.dtype === dtype && shape.length === target.shape.length;
    if (!same || shape.some((size, i) => size !== target.shape[i]) || !isDense(target)) {
      const expected = `a dense tensor ${target.dtype} [${target.shape}]`;
      this.#fail("E_SHAPE", `tensor ${JSON.stringify(name)}: expected ${expected}, got ${dtype} [${shape}]`);
    }
    const bytes = denseBytes(target);
    if (!(await readFully(this.#file, bytes, this.#dataStart + begin))) {
      this.#fail("E_FORMAT", `truncated in tensor ${JSON.stringify(name)}`);
    }
  }

  /**
   * Reads consecutive elements of a float32 tensor, counted row-major, from element `first` on.
   *
   * @throws CaiError `E_FORMAT` when the tensor is not there, of another dtype, or ends before.
   */
  async readPart(name: string, first: number, target: Float32Array): Promise<void> {
    const { dtype, shape, begin, end } = this.#info(name);
    requireLittleEndianCpu(name, { dtype, device: "cpu", shape, data: target });
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    const start = begin + 4 * first;
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (dtype !== "float32" || first < 0 || start + bytes.length > end) {
      const expected = `${target.length} float32 elements from ${first}`;
      this.#fail("E_FORMAT", `${tensor}: expected ${expected}, got ${dtype} [${shape}]`);
    }
    if (!(await readFully(this.#file, bytes, this.#dataStart + start)))
      this.#fail("E_FORMAT", `truncated in ${tensor}`);
  }

  /** Every tensor, in new memory. */
  async readAll(): Promise<Map<string, Tensor>> {
    const all = new Map<string, Tensor>();
    for (const name of this.tensors.keys()) all.set(name, await this.read(name));
    return all;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    return info ?? this.#fail("E_FORMAT", `no tensor ${JSON.stringify(name)} among ${this.tensors.size}`);
  }

  #fail(code: "E_FORMAT" | "E_SHAPE", reason: string): never {
    throw new CaiError(code, "safetensors", `${basename(this.path)}: ${reason}`);
  }
}

/** Every tensor of a file, and its metadata. @throws CaiError `E_IO`, `E_FORMAT`. */
export async function readSafetensors(
  path: string,
): Promise<{ tensors: Map<string, Tensor>; metadata: ReadonlyMap<string, string> }> {
  const file = await SafetensorsFile.open(path);
  try {
    return { tensors: await file.readAll(), metadata: file.metadata };
  } finally {
    await file.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new CaiError("E_IO", "safetensors", `${path} can't be opened (${reason})`, { cause });
  }
}

async function readHeaderBytes(file: FileHandle, name: string) {
  const fail = (reason: string): never => {
    throw new CaiError("E_FORMAT", "safetensors", `${name}: ${reason}`);
  };
  const stat = await file.stat();
  if (!stat.isFile()) fail("expected a file");
  const { size } = stat;
  const start = new Uint8Array(8);
  if (size < 8 || !(await readFully(file, start, 0))) fail(`truncated: ${size} bytes, a header length takes 8`);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) fail(`a header of ${length} bytes is longer than the allowed ${maxHeaderBytes}`);
  if (length > BigInt(size - 8)) fail(`truncated: a header of ${length} bytes, but ${size - 8} follow`);
  const json = new Uint8Array(Number(length));
  if (!(await readFully(file, json, 8))) fail("truncated in the header");
  return { json, dataStart: 8 + json.length, dataBytes: size - 8 - json.length };
}

/** Fills `bytes` from a position; false when the file ends before. */
async function readFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<boolean> {
  let filled = 0;
  while (filled < bytes.length) {
    const length = Math.min(chunkBytes, bytes.length - filled);
    const { bytesRead } = await file.read(bytes, filled, length, position + filled);
    if (bytesRead === 0) return false;
    filled += bytesRead;
  }
  return true;
}
