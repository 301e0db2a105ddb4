import type { ViewOptions, VisibilityMask } from "../mask.js";
import { windowOf } from "../refuse.js";
import { withWindow } from "./window.js";

/** What PaddlePaddle's `flashmask_attention` takes. */
export interface FlashMask {
  /** Its argument of this name: whether it hides queries before a key by itself. */
  readonly causal: boolean;
  /**
   * Its `startend_row_indices`, int32: of every key the query from which on it is hidden (our limit), and unless `causal` the
   * query before which it is hidden (our start).
   */
  readonly startendRowIndices: Int32Array;
  /** [B, 1, T, 1] if `causal`, else [B, 1, T, 2]; 1 stands for all heads. */
  readonly shape: readonly [batchSize: number, heads: 1, seqLen: number, bounds: 1 | 2];
}

export function toFlashMask(mask: VisibilityMask, options: ViewOptions = {}): FlashMask {
  const op = "visibilityMask.toFlashMask";
  const window = windowOf(options, op);
  const { start, limit } = window === 0 ? mask : withWindow(mask, window, op);
  const { batchSize, seqLen } = mask;
  const causal = start.every((from, at) => from === at % seqLen || from === limit[at]);
  // Without a lower bound of its own, a key that nobody sees must be hidden from query 0 on.
  if (causal) {
    const ends = limit.map((to, at) => (start[at] === to ? 0 : to));
    return { causal, startendRowIndices: ends, shape: [batchSize, 1, seqLen, 1] };
  }
  const bounds = new Int32Array(2 * limit.length);
  for (let at = 0; at < limit.length; at++) {
    bounds[2 * at] = limit[at] as number;
    bounds[2 * at + 1] = start[at] as number;
  }
  return { causal, startendRowIndices: bounds, shape: [batchSize, 1, seqLen, 2] };
}
