import type { AttentionOps, BackwardJob } from "../job.js";
import { Heads } from "./heads.js";
import { addScaled, dot, fillLogits } from "./rows.js";
import { VisibleKeys } from "./visible-keys.js";

export const backward: AttentionOps["backward"] = (dout, q, k, v, out, lse, dq, dk, dv, job) => {
  const { B, T, S, H, K, D } = job.dims;
  const heads = {
    dout: new Heads(dout),
    q: new Heads(q),
    k: new Heads(k),
    v: new Heads(v),
    out: new Heads(out),
    dq: new Heads(dq),
  };
  const scratch = { logits: new Float64Array(S), dq: new Float64Array(D) };
  const sums = { dk: new Float64Array(S * D), dv: new Float64Array(S * D) };
  const [dkHeads, dvHeads] = [new Heads(dk), new Heads(dv)];
  for (let b = 0; b < B; b++) {
    const keys = new VisibleKeys(job, b);
    for (let kvHead = 0; kvHead < K; kvHead++) {
      sums.dk.fill(0);
      sums.dv.fill(0);
      for (let t = 0; t < T; t++) {
        const count = keys.find(t);
        for (let h = (kvHead * H) / K; h < ((kvHead + 1) * H) / K; h++) {
          addQuery(job, heads, sums, scratch, { b, t, h, kvHead }, lse.data, keys.list, count);
        }
      }
      write(sums.dk, dkHeads, b, kvHead, S, D);
      write(sums.dv, dvHeads, b, kvHead, S, D);
    }
  }
};

/** Adds what one query owes to its keys' gradients, and writes its own. */
function addQuery(
  job: BackwardJob,
  { dout, q, k, v, out, dq }: Record<"dout" | "q" | "k" | "v" | "out" | "dq", Heads>,
  sums: Record<"dk" | "dv", Float64Array>,
  scratch: Record<"logits" | "dq", Float64Array>,
  { b, t, h, kvHead }: Record<"b" | "t" | "h" | "kvHead", number>,
  lse: Float32Array,
  keys: Int32Array,
  count: number,
): void {
  const { softcap, scale, zregCoefficients, zregTargets } = job;
  const { T, H, D } = job.dims;
  const [query, gradient] = [q.at(b, t, h), dout.at(b, t, h)];
  const [firstKey, firstValue] = [k.at(b, 0, kvHead), v.at(b, 0, kvHead)];
  const logsumexp = lse[(b * H + h) * T + t] as number;
  const delta = dot(dout.data, gradient, out.data, out.at(b, t, h), D);
  const penalty = zregCoefficients
    ? 2 * (zregCoefficients[h] as number) * (logsumexp - (zregTargets?.[b * T + t] ?? 0))
    : 0;
  fillLogits(job, q, query, k, firstKey, keys, count, scratch.logits);
  scratch.dq.fill(0);
  for (let n = 0; n < count; n++) {
    const j = keys[n] as number;
    const logit = scratch.logits[n] as number;
    const p = Math.exp(logit - logsumexp);
    const slope = softcap > 0 ? 1 - (logit / softcap) ** 2 : 1;
    const dp = dot(dout.data, gradient, v.data, firstValue + j * v.tokenStride, D);
    const ds = scale * slope * p * (dp - delta + penalty);
    addScaled(scratch.dq, 0, ds, k.data, firstKey + j * k.tokenStride, D);
    addScaled(sums.dk, j * D, ds, q.data, query, D);
    addScaled(sums.dv, j * D, p, dout.data, gradient, D);
  }
  const row = dq.at(b, t, h);
  for (let d = 0; d < D; d++) dq.data[row + d] = scratch.dq[d] as number;
}

function write(sum: Float64Array, heads: Heads, b: number, head: number, tokens: number, D: number): void {
  for (let j = 0; j < tokens; j++) heads.data.set(sum.subarray(j * D, (j + 1) * D), heads.at(b, j, head));
}
