import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/**
 * Σ x² over all elements of all tensors; its root is the global gradient norm.
 *
 * @param tensors contiguous, of any shapes.
 * @returns 0 for none; NaN or infinity when an element is.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Accumulates in double precision in a fixed order: the same bits for any number of threads and on any processor.
 */
export function sumOfSquares(tensors: readonly FloatTensor[]): number {
  return callNative<number>("sumOfSquares", tensors);
}
