import type { AttentionJob } from "../job.js";
import type { Heads } from "./heads.js";

/** Σ a[i + d] · b[j + d] over d < n, in double precision. */
export function dot(a: Float32Array, i: number, b: Float32Array, j: number, n: number): number {
  let even = 0;
  let odd = 0;
  let d = 0;
  for (; d + 1 < n; d += 2) {
    even += (a[i + d] as number) * (b[j + d] as number);
    odd += (a[i + d + 1] as number) * (b[j + d + 1] as number);
  }
  if (d < n) even += (a[i + d] as number) * (b[j + d] as number);
  return even + odd;
}

/** sum[at + d] += factor · x[from + d] for d < n. */
export function addScaled(
  sum: Float64Array,
  at: number,
  factor: number,
  x: Float32Array,
  from: number,
  n: number,
): void {
  for (let d = 0; d < n; d++) sum[at + d] = (sum[at + d] as number) + factor * (x[from + d] as number);
}

/** The logits of one query over the first `count` keys of `keys`; `base` is where key 0 of its head begins. @returns their maximum. */
export function fillLogits(
  { scale, softcap, dims: { D } }: AttentionJob,
  q: Heads,
  row: number,
  k: Heads,
  base: number,
  keys: Int32Array,
  count: number,
  logits: Float64Array,
): number {
  let max = -Infinity;
  for (let n = 0; n < count; n++) {
    const product = scale * dot(q.data, row, k.data, base + (keys[n] as number) * k.tokenStride, D);
    const logit = softcap > 0 ? softcap * Math.tanh(product / softcap) : product;
    logits[n] = logit;
    if (logit > max) max = logit;
  }
  return max;
}
