import { bytesPerElement, CaiError, type DType, sizeOf, type Tensor } from "@cai/native";
import { findDuplicateKey } from "./duplicate-key.js";

/*
 * The safetensors format: 8 bytes, the header's length N as little-endian u64; N bytes of JSON, an object of
 * name -> { dtype, shape, data_offsets: [begin, end] } and, under "__metadata__", strings by string; then the data,
 * row-major little-endian, without holes, offsets counted from its start.
 */

/** Names of dtypes in files, and here. */
const dtypeByName = new Map<unknown, DType>([
  ["F32", "float32"],
  ["BF16", "bfloat16"],
  ["I32", "int32"],
  ["I8", "int8"],
  ["U8", "uint8"],
]);
const nameByDtype = new Map([...dtypeByName].map(([name, dtype]) => [dtype, name as string]));

/** Longer headers are refused, as the reference implementation does. */
export const maxHeaderBytes = 100_000_000;

/** Where a tensor lies in a file; offsets are from the start of the data. */
export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A tensor to be written whose bytes, row-major, come while it is; a chunk may reuse the memory of the one before. */
export interface StreamedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly chunks: () => AsyncIterable<Uint8Array>;
}

export type TensorSource = Tensor | StreamedTensor;

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/**
 * The first bytes of a file with these tensors, and the order in which their data follows: wide elements first, then
 * by name, so that the same tensors give the same file in whatever order they come. The data starts at a multiple of 8.
 */
export function encodeHeader(
  tensors: ReadonlyMap<string, TensorSource>,
  metadata: Readonly<Record<string, string>>,
): { bytes: Uint8Array; order: (readonly [string, TensorSource])[] } {
  const order = [...tensors].sort(
    ([a, x], [b, y]) => bytesPerElement(y.dtype) - bytesPerElement(x.dtype) || (a < b ? -1 : 1),
  );
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) {
    const sorted = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
    members.push(`"__metadata__":${JSON.stringify(sorted)}`);
  }
  let offset = 0;
  for (const [name, { dtype, shape }] of order) {
    if (name === "__metadata__") {
      throw new CaiError("E_ARGUMENT", "safetensors", "__metadata__ is reserved and can't name a tensor");
    }
    const end = offset + sizeOf(shape) * bytesPerElement(dtype);
    const info = { dtype: nameByDtype.get(dtype), shape, data_offsets: [offset, end] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    offset = end;
  }
  const text = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return { bytes, order };
}

/**
 * Reads the JSON of a header and checks all of it against the bytes of data that follow.
 *
 * @param file names the file in messages. @throws CaiError `E_FORMAT`.
 */
export function decodeHeader(file: string, json: Uint8Array, dataBytes: number): Header {
  const fail: Fail = (reason) => {
    throw new CaiError("E_FORMAT", "safetensors", `${file}: ${reason}`);
  };
  const members = parseMembers(json, fail);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  for (const [name, value] of Object.entries(members)) {
    if (name === "__metadata__") readMetadata(value, metadata, fail);
    else tensors.set(name, readInfo(name, value, fail));
  }
  checkLayout(tensors, dataBytes, fail);
  return { metadata, tensors };
}

type Fail = (reason: string) => never;

function parseMembers(json: Uint8Array, fail: Fail): object {
  let text = "";
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
    value = JSON.parse(text);
  } catch (cause) {
    fail(`the header is not JSON in UTF-8 (${cause instanceof Error ? cause.message : cause})`);
  }
  if (!text.startsWith("{") || typeof value !== "object" || value === null) {
    return fail("the header must be a JSON object and start with {");
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) fail(`the header has ${JSON.stringify(duplicate)} twice`);
  return value;
}

function readMetadata(value: unknown, metadata: Map<string, string>, fail: Fail): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail("__metadata__ must be an object");
  for (const [key, text] of Object.entries(value as object)) {
    if (typeof text !== "string") fail(`__metadata__ ${JSON.stringify(key)} must be a string`);
    metadata.set(key, text as string);
  }
}

function readInfo(name: string, value: unknown, fail: Fail): TensorInfo {
  const tensor = `tensor ${JSON.stringify(name)}`;
  const { dtype: dtypeName, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const dtype = dtypeByName.get(dtypeName);
  if (!dtype) {
    return fail(`${tensor}: expected dtype ${[...dtypeByName.keys()].join(", ")}, got ${JSON.stringify(dtypeName)}`);
  }
  if (!isCounts(shape)) return fail(`${tensor}: expected a shape of sizes, got ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    return fail(`${tensor}: expected data_offsets [begin, end], got ${JSON.stringify(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = sizeOf(shape) * bytesPerElement(dtype);
  if (bytes !== end - begin) {
    return fail(`${tensor}: ${dtypeName} [${shape}] takes ${bytes} bytes, but its offsets span ${end - begin}`);
  }
  return { dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** The tensors must cover the data from first to last byte, each byte once. */
function checkLayout(tensors: ReadonlyMap<string, TensorInfo>, dataBytes: number, fail: Fail): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const [name, { begin, end }] of sorted) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (end > dataBytes) fail(`truncated: ${tensor} ends at byte ${end} of the data, but the file holds ${dataBytes}`);
    if (begin < covered) fail(`${tensor} overlaps the one before it (begins at ${begin}, which ends at ${covered})`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} of the data belong to no tensor (before ${tensor})`);
    covered = end;
  }
  if (covered < dataBytes) fail(`${dataBytes - covered} bytes follow the last tensor`);
}
