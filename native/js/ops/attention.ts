import { callNative } from "../load.js";
import type { FloatTensor, IntTensor } from "../tensor.js";

/** Which keys a query sees, and how logits are formed; the same for both passes. */
export interface AttentionOptions {
  /** Multiplies q · k; usually 1 / sqrt(D). */
  scale: number;
  /**
   * int32 [B, S], given together with `limit`: key j is visible to the query of cache index i exactly when
   * start[j] ≤ i < limit[j]. Without both, start[j] = j and limit[j] is unbounded: causal. 0 ≤ start ≤ limit; a limit
   * past the last query is allowed.
   */
  start?: IntTensor | null;
  /** int32 [B, S]; see `start`. start = limit hides a key from everybody. */
  limit?: IntTensor | null;
  /** int32 [B, T], not negative: positions that the window compares; the index i by default. */
  queryPositions?: IntTensor | null;
  /** int32 [B, S], not negative; the index j by default. */
  keyPositions?: IntTensor | null;
  /** w > 0: a key is visible only where 0 ≤ query position − key position < w. 0, the default: no window. */
  window?: number;
  /** Query t has the index i = queryOffset + t in the key-value cache; 0 by default. */
  queryOffset?: number;
  /**
   * int32 [B, T], not negative: the index in the cache of each query, in place of `queryOffset`; in any order, the same one
   * more than once if need be.
   */
  queryIndices?: IntTensor | null;
  /** c > 0: logits become c · tanh(logit / c). 0, the default: none. */
  softcap?: number;
}

/** The options of the backward pass: those of the forward pass, and a penalty on its logsumexp. */
export interface AttentionBackwardOptions extends AttentionOptions {
  /**
   * float32 [H]: c of each query head. The gradient of Σ c · (lse − z0)², summed over the queries that see something, is
   * added to that of the logits. Absent: no penalty.
   */
  zregCoefficients?: FloatTensor | null;
  /** float32 [B, T], only with `zregCoefficients`: z0; 0 when absent. */
  zregTargets?: FloatTensor | null;
}

/**
 * Attention: out = softmax(scale · q kᵀ, over the visible keys) · v, without ever storing the T × S square.
 *
 * Legend: B batch, T queries, S keys, H query heads, K key-value heads, D head dimension. Query head h reads key-value
 * head h / (H / K), rounded down. Tokens, heads and batch entries may have any strides; D must be dense.
 *
 * A query that sees no key gives output 0 and lse −Infinity. NaN and infinity reach only the queries that see them.
 * Time follows the visible area: runs of keys that a run of queries doesn't see are skipped.
 *
 * @param q [B, T, H, D].
 * @param k [B, S, K, D], H a multiple of K.
 * @param v [B, S, K, D].
 * @param out [B, T, H, D], overwritten; must not overlap the inputs.
 * @param lse [B, H, T], overwritten: the logarithm of the sum of exponentials of each query's logits.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`; `E_ARGUMENT` naming the first entry of start, limit, positions or indices that is
 * out of range.
 *
 * Accumulates in float32; the same bits for any number of threads. Sources: Dao, FlashAttention-2, 2023; Ainslie et al.,
 * GQA, 2023.
 *
 * @example
 * const [q, k, v, out] = [zeros([1, 16, 4, 64]), zeros([1, 16, 2, 64]), zeros([1, 16, 2, 64]), zeros([1, 16, 4, 64])];
 * attentionForward(q, k, v, out, zeros([1, 4, 16]), { scale: 1 / 8 });
 */
export function attentionForward(
  q: FloatTensor,
  k: FloatTensor,
  v: FloatTensor,
  out: FloatTensor,
  lse: FloatTensor,
  options: AttentionOptions,
): void {
  callNative("attentionForward", q, k, v, out, lse, options);
}

/**
 * Gradient of {@link attentionForward}. With P the probabilities, recomputed from lse, and delta = rowsum(dout · out):
 * dv = Pᵀ dout, dS = P · (dout vᵀ − delta), dq = scale · dS k, dk = scale · dSᵀ q; with a soft-cap dS also takes
 * 1 − (logit / softcap)². With zreg, delta − 2 · c · (lse − z0) stands for delta in the rows that see something.
 *
 * @param dout [B, T, H, D]. @param q [B, T, H, D]. @param k [B, S, K, D]. @param v [B, S, K, D].
 * @param out [B, T, H, D] and @param lse [B, H, T], both from the forward pass.
 * @param dq [B, T, H, D], overwritten. @param dk [B, S, K, D], overwritten: the sum over the query heads that share a
 * key head. @param dv [B, S, K, D], overwritten likewise. None of the three may overlap another tensor's elements;
 * strided views of one array may interleave.
 * @param options those of the forward pass, and zreg's.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Accumulates in float32 in a fixed order; the same bits for any number of threads.
 */
export function attentionBackward(
  dout: FloatTensor,
  q: FloatTensor,
  k: FloatTensor,
  v: FloatTensor,
  out: FloatTensor,
  lse: FloatTensor,
  dq: FloatTensor,
  dk: FloatTensor,
  dv: FloatTensor,
  options: AttentionBackwardOptions,
): void {
  callNative("attentionBackward", dout, q, k, v, out, lse, dq, dk, dv, options);
}
