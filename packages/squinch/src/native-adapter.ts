import type { BlockOps, CodeTables } from "./native-ops.js";
import { isBf16 } from "./portable/values.js";

interface Tensor<Data> {
  readonly dtype: "float32" | "bfloat16" | "uint8";
  readonly device: "cpu";
  readonly shape: readonly number[];
  readonly data: Data;
}

interface TensorTables {
  readonly maxima: Tensor<Float32Array>;
  readonly inverses: Tensor<Float32Array>;
  readonly levels: Tensor<Float32Array>;
  readonly thresholds: Tensor<Float32Array>;
  readonly signedZero: boolean;
}

/** What is used of `@cai/native`, declared here so that the package needs neither it nor its types. */
export interface NativeSquinch {
  squinchEncode(
    x: Tensor<Float32Array | Uint16Array>,
    out: Tensor<Uint8Array>,
    tables: TensorTables,
    options: {
      stochastic: boolean;
      seed: number | bigint;
      stream: number | bigint;
      saturate: boolean;
      gain: boolean;
      residual?: Tensor<Float32Array>;
      residualOut?: Tensor<Float32Array>;
    },
  ): { firstNonFinite: number; nonFinite: number; zeros: number; dot: number; square: number };
  squinchDecode(
    bytes: Tensor<Uint8Array>,
    out: Tensor<Float32Array>,
    tables: TensorTables,
    options: { gain: number; scale: number; accumulate: boolean },
  ): void;
  float32ToBf16(x: Tensor<Float32Array>, out: Tensor<Uint16Array>): void;
  bf16ToFloat32(
    x: Tensor<Uint16Array>,
    out: Tensor<Float32Array>,
    options: { scale: number; accumulate: boolean },
  ): void;
}

/** The operations of `@cai/native`, which take tensors, as this package calls them. */
export function adaptNative(native: NativeSquinch): BlockOps {
  const tensorTables = new WeakMap<CodeTables, TensorTables>();
  const tablesFor = (tables: CodeTables) => {
    let found = tensorTables.get(tables);
    if (!found) {
      found = tensorTablesOf(tables);
      tensorTables.set(tables, found);
    }
    return found;
  };
  return {
    squinchEncode(x, out, tables, { residual, residualOut, ...job }, report) {
      const counts = native.squinchEncode(inputOf(x), bytesOf(out, x.length), tablesFor(tables), {
        ...job,
        ...(residual && { residual: floatsOf(residual) }),
        ...(residualOut && { residualOut: floatsOf(residualOut) }),
      });
      report[0] = job.saturate ? -1 : counts.firstNonFinite;
      report[1] = counts.nonFinite;
      report[2] = counts.zeros;
      report[3] = counts.dot;
      report[4] = counts.square;
    },
    squinchDecode(bytes, out, tables, job) {
      native.squinchDecode(bytesOf(bytes, out.length), floatsOf(out), tablesFor(tables), job);
    },
    float32ToBf16(x, out) {
      native.float32ToBf16(floatsOf(x), halvesOf(out));
    },
    bf16ToFloat32(x, out, job) {
      native.bf16ToFloat32(halvesOf(x), floatsOf(out), job);
    },
  };
}

function tensorTablesOf({ maxima, inverses, levels, thresholds, signedZero }: CodeTables): TensorTables {
  return {
    maxima: floatsOf(maxima),
    inverses: floatsOf(inverses),
    levels: floatsOf(levels),
    thresholds: floatsOf(thresholds),
    signedZero,
  };
}

function floatsOf(data: Float32Array): Tensor<Float32Array> {
  return { dtype: "float32", device: "cpu", shape: [data.length], data };
}

function halvesOf(data: Uint16Array): Tensor<Uint16Array> {
  return { dtype: "bfloat16", device: "cpu", shape: [data.length], data };
}

function inputOf(data: Float32Array | Uint16Array): Tensor<Float32Array | Uint16Array> {
  return { dtype: isBf16(data) ? "bfloat16" : "float32", device: "cpu", shape: [data.length], data };
}

/** The blocks of n values; what lies behind them is left out. */
function bytesOf(data: Uint8Array, n: number): Tensor<Uint8Array> {
  return { dtype: "uint8", device: "cpu", shape: [6 * Math.ceil(n / 8)], data };
}
