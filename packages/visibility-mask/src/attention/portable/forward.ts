import type { AttentionOps } from "../job.js";
import { Heads } from "./heads.js";
import { addScaled, fillLogits } from "./rows.js";
import { VisibleKeys } from "./visible-keys.js";

export const forward: AttentionOps["forward"] = (qTensor, kTensor, vTensor, outTensor, lse, job) => {
  const { B, T, S, H, K, D } = job.dims;
  const [q, k, v, out] = [new Heads(qTensor), new Heads(kTensor), new Heads(vTensor), new Heads(outTensor)];
  const [weights, sum] = [new Float64Array(S), new Float64Array(D)];
  for (let b = 0; b < B; b++) {
    const keys = new VisibleKeys(job, b);
    for (let t = 0; t < T; t++) {
      const count = keys.find(t);
      for (let h = 0; h < H; h++) {
        const kvHead = Math.floor((h * K) / H);
        const max = fillLogits(job, q, q.at(b, t, h), k, k.at(b, 0, kvHead), keys.list, count, weights);
        const values = v.at(b, 0, kvHead);
        let total = 0;
        sum.fill(0);
        for (let n = 0; n < count; n++) {
          const weight = Math.exp((weights[n] as number) - max);
          total += weight;
          addScaled(sum, 0, weight, v.data, values + (keys.list[n] as number) * v.tokenStride, D);
        }
        const row = out.at(b, t, h);
        for (let d = 0; d < D; d++) out.data[row + d] = count > 0 ? (sum[d] as number) / total : 0;
        lse.data[(b * H + h) * T + t] = count > 0 ? max + Math.log(total) : -Infinity;
      }
    }
  }
};
