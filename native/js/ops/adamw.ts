import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

export interface AdamwOptions {
  /** Learning rate, 0 to 10⁶. */
  lr: number;
  /** Decay of the first moment, 0 to 1 − 10⁻⁷. */
  beta1: number;
  /** Decay of the second moment, 0 to 1 − 10⁻⁷. */
  beta2: number;
  /** Added to the root of the second moment, 10⁻³⁷ to 1. */
  eps: number;
  /** Decoupled decay, multiplied by `lr`, 0 to 10⁶. */
  weightDecay: number;
  /** Which step this is, from 1. */
  step: number;
  /** Multiplies the gradient first, such as a clip factor. Default 1. */
  gradScale?: number;
}

/**
 * One AdamW step in place, in one pass over memory: with g = grad · gradScale,
 *
 * m ← beta1 · m + (1 − beta1) · g, v ← beta2 · v + (1 − beta2) · g²,
 * param ← param − lr · (weightDecay · param + m̂ / (√v̂ + eps)), m̂ = m / (1 − beta1^step), v̂ = v / (1 − beta2^step).
 *
 * @param param any shape, contiguous. @param grad, m, v the same shape; m and v start as zeros.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * float32, corrections in double precision; the same bits for any number of threads and on any processor. NaN and
 * infinity in the gradient pass into moments and parameters: check the gradient norm first.
 * Source: Loshchilov and Hutter, 2019.
 */
export function adamwStep(
  param: FloatTensor,
  grad: FloatTensor,
  m: FloatTensor,
  v: FloatTensor,
  options: AdamwOptions,
): void {
  callNative("adamwStep", param, grad, m, v, options);
}
