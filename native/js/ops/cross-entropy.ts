import { callNative } from "../load.js";
import type { FloatTensor, IntTensor } from "../tensor.js";

/**
 * The two terms of the cross-entropy of each row, over one chunk of the vocabulary at a time:
 * lse = log(e^lse + Σ e^logits) and targetLogit = the target's logit; then loss = lse − targetLogit.
 *
 * @param logits [R, C]: of tokens vocabStart to vocabStart + C − 1; rows may be strided. −infinity is a probability of 0.
 * @param targets int32 [R], token ids over the whole vocabulary. A row whose target is negative is ignored: its `lse` and
 *   `targetLogit` keep what they hold.
 * @param lse [R], updated: fill it with −infinity before the first chunk.
 * @param targetLogit [R], written where this chunk holds the target. A target that is in no chunk can't be noticed here.
 * @param options.vocabStart the token of the first column, 0 by default.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Exponentials are summed in float32 in blocks, which are joined in double precision; the same bits for any number of
 * threads. A NaN logit makes its row's `lse` NaN, an infinite one makes it infinite.
 */
export function crossEntropyForward(
  logits: FloatTensor,
  targets: IntTensor,
  lse: FloatTensor,
  targetLogit: FloatTensor,
  options: { vocabStart?: number } = {},
): void {
  callNative("crossEntropyForward", logits, targets, lse, targetLogit, options);
}

/**
 * Gradient of {@link crossEntropyForward}'s loss, in place of one chunk of the logits:
 * logits = dloss · (e^(logits − lse) − [token is target]), and exactly 0 in ignored rows.
 *
 * @param logits [R, C], the same as forward; overwritten by their gradient. Rows may be strided.
 * @param targets int32 [R]. @param lse [R], over the whole vocabulary.
 * @param dloss [R], the gradient of each row's loss, such as 1 / (loss tokens).
 * @param options.vocabStart the token of the first column, 0 by default.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function crossEntropyBackward(
  logits: FloatTensor,
  targets: IntTensor,
  lse: FloatTensor,
  dloss: FloatTensor,
  options: { vocabStart?: number } = {},
): void {
  callNative("crossEntropyBackward", logits, targets, lse, dloss, options);
}
