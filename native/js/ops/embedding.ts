import { callNative } from "../load.js";
import type { FloatTensor, IntTensor } from "../tensor.js";

/**
 * Rows of a table by id: out[n] = weight[ids[n]].
 *
 * @param ids int32 [N], each from 0 to V − 1.
 * @param weight [V, C], rows may be strided.
 * @param out [N, C], rows may be strided; overwritten, or added to with `accumulate`.
 * @throws CaiError `E_ARGUMENT` naming the first id outside the table; `E_SHAPE`, `E_DTYPE`.
 *
 * The same bits for any number of threads.
 */
export function embeddingForward(
  ids: IntTensor,
  weight: FloatTensor,
  out: FloatTensor,
  options: { accumulate?: boolean } = {},
): void {
  callNative("embeddingForward", ids, weight, out, options);
}

/**
 * Gradient of {@link embeddingForward}: dweight[ids[n]] += dout[n].
 *
 * @param ids int32 [N], each from 0 to V − 1. @param dout [N, C], rows may be strided.
 * @param dweight [V, C], always added to; rows may be strided.
 * @throws CaiError `E_ARGUMENT` naming the first id outside the table, before anything is added; `E_SHAPE`, `E_DTYPE`.
 *
 * Adds in float32 in the order of the ids: the same bits for any number of threads.
 */
export function embeddingBackward(ids: IntTensor, dout: FloatTensor, dweight: FloatTensor): void {
  callNative("embeddingBackward", ids, dout, dweight);
}
