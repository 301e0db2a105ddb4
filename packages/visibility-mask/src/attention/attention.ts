import { attentionOps } from "./backend.js";
import { checkBackwardJob, checkHeads, checkJob, checkTensor } from "./check.js";
import type { AttentionOptions, BackwardOptions, FloatTensor } from "./options.js";

/**
 * Attention: out = softmax(scale · q kᵀ, over the visible keys) · v, without ever storing the T × S square.
 *
 * Legend: B batch, T queries, S keys, H query heads, K key-value heads, D head dimension. Query head h reads key-value
 * head h / (H / K), rounded down. Query t has the index i = t in the mask, or `queryIndices[b, t]`, and sees key j where
 * start[j] ≤ i < limit[j]; with a window w also 0 ≤ positions[i] − positions[j] < w. Tokens, heads and rows may have any
 * strides, so views of one fused projection will do; D must be dense.
 *
 * A query that sees no key gives output 0 and lse −Infinity. NaN and infinity reach only the queries that see them.
 * Time follows the visible area, and no memory grows with T · S.
 *
 * @param q [B, T, H, D].
 * @param k [B, S, K, D], H a multiple of K.
 * @param v [B, S, K, D].
 * @param out [B, T, H, D], overwritten; must not overlap the inputs.
 * @param lse [B, H, T], overwritten: the logarithm of the sum of exponentials of each query's logits.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_DEVICE`; `E_ARGUMENT` for options out of range.
 *
 * Natively sums are float32 in a fixed order, the same bits for any number of threads; the portable code sums in double
 * precision. Sources: Dao, FlashAttention-2, 2023; Ainslie et al., GQA, 2023.
 *
 * @example
 * const mask = new VisibilityMask({ start: Int32Array.of(0, 1, 2), limit: Int32Array.of(3, 3, 3) });
 * attentionForward(q, k, v, out, lse, { mask });
 */
export function attentionForward(
  q: FloatTensor,
  k: FloatTensor,
  v: FloatTensor,
  out: FloatTensor,
  lse: FloatTensor,
  options: AttentionOptions,
): void {
  const op = "attentionForward";
  const dims = checkHeads(q, k, op);
  checkTensor(v, "v", k.shape, op);
  checkTensor(out, "out", q.shape, op);
  checkTensor(lse, "lse", [dims.B, dims.H, dims.T], op, false);
  attentionOps().forward(q, k, v, out, lse, checkJob(options, dims, op));
}

/**
 * Gradient of {@link attentionForward}. With P the probabilities, recomputed from lse, and delta = rowsum(dout · out):
 * dv = Pᵀ dout, dS = P · (dout vᵀ − delta), dq = scale · dS k, dk = scale · dSᵀ q; with a soft-cap dS also takes
 * 1 − (logit / softcap)². `zreg` adds the gradient of Σ c · (lse − z0)² over the queries that see something:
 * dS = P · (dout vᵀ − delta + 2 c (lse − z0)).
 *
 * @param dout [B, T, H, D]. @param q [B, T, H, D]. @param k [B, S, K, D]. @param v [B, S, K, D].
 * @param out [B, T, H, D] and @param lse [B, H, T], both from the forward pass.
 * @param dq [B, T, H, D], overwritten. @param dk [B, S, K, D], overwritten: the sum over the query heads that share a
 * key head. @param dv [B, S, K, D], overwritten likewise. None of the three may overlap another tensor's elements;
 * strided views of one array may interleave.
 * @param options those of the forward pass, and `zreg`.
 * @throws CaiError as {@link attentionForward}.
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
  options: AttentionOptions & BackwardOptions,
): void {
  const op = "attentionBackward";
  const dims = checkHeads(q, k, op);
  checkTensor(dout, "dout", q.shape, op);
  checkTensor(v, "v", k.shape, op);
  checkTensor(out, "out", q.shape, op);
  checkTensor(lse, "lse", [dims.B, dims.H, dims.T], op, false);
  checkTensor(dq, "dq", q.shape, op);
  checkTensor(dk, "dk", k.shape, op);
  checkTensor(dv, "dv", k.shape, op);
  attentionOps().backward(dout, q, k, v, out, lse, dq, dk, dv, checkBackwardJob(options, dims, op));
}

/** What {@link attention} gives. */
export interface AttentionResult {
  /** [B, T, H, D]. */
  readonly out: FloatTensor;
  /** [B, H, T]. */
  readonly lse: FloatTensor;
  /** The gradients for one `dout` [B, T, H, D]; see {@link attentionBackward}. q, k and v must still hold their values. */
  backward(dout: FloatTensor, options?: BackwardOptions): Readonly<Record<"dq" | "dk" | "dv", FloatTensor>>;
}

/**
 * {@link attentionForward} into new tensors, with its gradient as a function.
 *
 * @example
 * const { out, backward } = attention(q, k, v, { mask });
 * const { dq, dk, dv } = backward(dout);
 */
export function attention(q: FloatTensor, k: FloatTensor, v: FloatTensor, options: AttentionOptions): AttentionResult {
  const { B, T, H } = checkHeads(q, k, "attention");
  const [out, lse] = [zeros(q.shape), zeros([B, H, T])];
  attentionForward(q, k, v, out, lse, options);
  const backward = (dout: FloatTensor, more?: BackwardOptions) => {
    const [dq, dk, dv] = [zeros(q.shape), zeros(k.shape), zeros(k.shape)];
    attentionBackward(dout, q, k, v, out, lse, dq, dk, dv, { ...options, ...more });
    return { dq, dk, dv };
  };
  return { out, lse, backward };
}

/**
 * Attention of a few new queries over a key-value cache: {@link attentionForward} into new tensors.
 *
 * @param q [B, T, H, D]. @param keys [B, S, K, D], the cache's slots. @param values [B, S, K, D].
 * @param options the mask of all S slots, and `queryIndices` [B, T], the slot of each query: its key must be there already.
 *   Slots that no query sees may hold anything.
 */
export function attentionDecode(
  q: FloatTensor,
  keys: FloatTensor,
  values: FloatTensor,
  options: AttentionOptions & { readonly queryIndices: Int32Array },
): Pick<AttentionResult, "out" | "lse"> {
  const { out, lse } = attention(q, keys, values, options);
  return { out, lse };
}

function zeros(shape: readonly number[]): FloatTensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return { dtype: "float32", device: "cpu", shape, data: new Float32Array(size) };
}
