import { callNative } from "../load.js";
import type { FloatTensor, Tensor } from "../tensor.js";

/**
 * Rounds each float32 to the nearest bfloat16 value (ties to even), kept as float32.
 *
 * NaN stays NaN and becomes quiet; values that round beyond the largest bfloat16, 3.39e38, become infinite; subnormals
 * round like the rest.
 *
 * @param x any shape, contiguous. @param out the same shape, overwritten; may be `x`.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function bf16Round(x: FloatTensor, out: FloatTensor): void {
  callNative("bf16Round", x, out);
}

/** Rounds float32 to bfloat16 bit patterns, as {@link bf16Round} does. @param out the shape of `x`, overwritten. */
export function float32ToBf16(x: FloatTensor, out: Tensor<"bfloat16">): void {
  callNative("float32ToBf16", x, out);
}

export interface Bf16ToFloat32Options {
  /** A factor, float32. Default 1. */
  scale?: number;
  /** Whether to add to `out`. Default false. */
  accumulate?: boolean;
}

/**
 * Widens bfloat16 bit patterns to float32: out (+)= x · scale.
 *
 * @param x any shape, contiguous. @param out the shape of `x`, overwritten or added to.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Product and sum each rounded to float32, none fused; exact without them.
 */
export function bf16ToFloat32(x: Tensor<"bfloat16">, out: FloatTensor, options: Bf16ToFloat32Options = {}): void {
  callNative("bf16ToFloat32", x, out, options);
}
