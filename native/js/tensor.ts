import { CaiError } from "@cai/portable/error";

export type DType = "float32" | "bfloat16" | "int32" | "int8" | "uint8";
export type Device = "cpu" | "cuda";

/** The typed array that holds each dtype on the CPU; bfloat16 keeps its bit patterns. */
export interface TensorData {
  float32: Float32Array;
  bfloat16: Uint16Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
}

const arrayTypes = {
  float32: Float32Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const;

/**
 * A typed array with a shape: what every native op takes and fills. It owns nothing, and any object with these fields
 * is one.
 */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly device: Device;
  /** Sizes, outermost first; one to five of them. */
  readonly shape: readonly number[];
  /**
   * Elements between neighbours along each dimension; row-major without gaps when absent. Elements must be distinct:
   * no stride of 0 along a dimension longer than 1.
   */
  readonly strides?: readonly number[];
  readonly data: TensorData[D];
}

export type FloatTensor = Tensor<"float32">;
export type IntTensor = Tensor<"int32">;

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function checkedSizeOf(shape: readonly number[]): number {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new CaiError("E_SHAPE", "tensor", `a shape must be non-negative integers, got [${shape}]`);
  }
  return sizeOf(shape);
}

/**
 * A float32 tensor over `data`, row-major unless `strides` says otherwise.
 *
 * @throws CaiError `E_SHAPE` when `data` is shorter than the shape needs.
 */
export function floatTensor(data: Float32Array, shape: readonly number[], strides?: readonly number[]): FloatTensor {
  return tensorOver("float32", data, shape, strides);
}

/** An int32 tensor over `data`; see {@link floatTensor}. */
export function intTensor(data: Int32Array, shape: readonly number[], strides?: readonly number[]): IntTensor {
  return tensorOver("int32", data, shape, strides);
}

/** A new tensor of zeros. @throws CaiError `E_SHAPE`, or `E_MEMORY` when there is no room for it. */
export function zeros<D extends DType = "float32">(shape: readonly number[], dtype?: D): Tensor<D> {
  const type = (dtype ?? "float32") as D;
  const size = checkedSizeOf(shape);
  try {
    return { dtype: type, device: "cpu", shape, data: new arrayTypes[type](size) as TensorData[D] };
  } catch (cause) {
    throw new CaiError("E_MEMORY", "tensor", `no room for shape [${shape}] of ${type}: use smaller sizes`, { cause });
  }
}

/** A tensor of any dtype over an array of that dtype; see {@link floatTensor}. */
export function tensorOver<D extends DType>(
  dtype: D,
  data: TensorData[D],
  shape: readonly number[],
  strides?: readonly number[],
): Tensor<D> {
  const size = checkedSizeOf(shape);
  if (strides === undefined && data.length < size) {
    throw new CaiError("E_SHAPE", "tensor", `shape [${shape}] needs ${size} elements, got ${data.length}`);
  }
  return strides === undefined ? { dtype, device: "cpu", shape, data } : { dtype, device: "cpu", shape, strides, data };
}

/** The bytes that one element of `dtype` takes. */
export function bytesPerElement(dtype: DType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

/**
 * A row-major tensor of `shape` at `byteOffset` of `buffer`, a multiple of the element's size.
 *
 * @throws CaiError `E_SHAPE` when it does not fit there.
 */
export function tensorAt<D extends DType>(
  dtype: D,
  buffer: ArrayBuffer,
  byteOffset: number,
  shape: readonly number[],
): Tensor<D> {
  const size = checkedSizeOf(shape);
  try {
    return { dtype, device: "cpu", shape, data: new arrayTypes[dtype](buffer, byteOffset, size) as TensorData[D] };
  } catch (cause) {
    const place = `byte ${byteOffset} of a buffer of ${buffer.byteLength} bytes`;
    throw new CaiError("E_SHAPE", "tensor", `shape [${shape}] of ${dtype} does not fit at ${place}`, { cause });
  }
}
