import type { AttentionBackwardOptions } from "../../js/index.js";

export interface AttentionCase {
  B: number;
  T: number;
  S: number;
  H: number;
  K: number;
  D: number;
  options: AttentionBackwardOptions;
}

/** Options of a causal mask with the usual scale, and whatever else. */
export const causal = (D: number, more: Partial<AttentionBackwardOptions> = {}): AttentionBackwardOptions => ({
  scale: 1 / Math.sqrt(D),
  ...more,
});

const at = (list: ArrayLike<number>, i: number) => list[i] as number;

/** Whether query t of entry b sees key j, straight from the definition. */
export function sees({ S, T, options }: AttentionCase, b: number, t: number, j: number): boolean {
  const i = options.queryIndices ? at(options.queryIndices.data, b * T + t) : (options.queryOffset ?? 0) + t;
  const start = options.start ? at(options.start.data, b * S + j) : j;
  const limit = options.limit ? at(options.limit.data, b * S + j) : Infinity;
  if (i < start || i >= limit) return false;
  if (!options.window) return true;
  const query = options.queryPositions ? at(options.queryPositions.data, b * T + t) : i;
  const key = options.keyPositions ? at(options.keyPositions.data, b * S + j) : j;
  return query - key >= 0 && query - key < options.window;
}

/** Dense attention in doubles over contiguous [B, T, H, D] and [B, S, K, D] arrays. */
export function denseForward(c: AttentionCase, q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>) {
  const { B, T, H, D } = c;
  const out = new Float64Array(B * T * H * D);
  const lse = new Float64Array(B * H * T);
  forEachRow(c, q, k, ({ b, t, h, row, cells, probabilities, logsumexp }) => {
    lse[(b * H + h) * T + t] = logsumexp;
    cells.forEach(({ key }, n) => {
      for (let d = 0; d < D; d++) out[row + d] = at(out, row + d) + at(probabilities, n) * at(v, key + d);
    });
  });
  return { out, lse };
}

/** Σ c · (lse − z0)² over the rows that see something. */
export function zregPenalty({ B, T, H, options }: AttentionCase, lse: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < B * H * T; row++) {
    if (at(lse, row) === -Infinity) continue;
    const [b, h, t] = [Math.floor(row / (H * T)), Math.floor(row / T) % H, row % T];
    sum += zregCoefficient(options, h) * (at(lse, row) - zregTarget(options, b * T + t)) ** 2;
  }
  return sum;
}

const zregCoefficient = (o: AttentionBackwardOptions, h: number) =>
  o.zregCoefficients ? at(o.zregCoefficients.data, h) : 0;
const zregTarget = (o: AttentionBackwardOptions, token: number) => (o.zregTargets ? at(o.zregTargets.data, token) : 0);

/** The gradients of Σ dout · out, plus zreg's penalty where the options have it, in doubles. */
export function denseBackward(
  c: AttentionCase,
  dout: ArrayLike<number>,
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
) {
  const { T, D, options } = c;
  const { scale, softcap = 0 } = options;
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  forEachRow(c, q, k, ({ b, t, h, row, cells, probabilities, logsumexp }) => {
    const dp = cells.map(({ key }) => dot(dout, row, v, key, D));
    const delta = dp.reduce((sum, value, n) => sum + value * at(probabilities, n), 0);
    const penalty = 2 * zregCoefficient(options, h) * (logsumexp - zregTarget(options, b * T + t));
    cells.forEach(({ key, logit }, n) => {
      const p = at(probabilities, n);
      const ds = p * (at(dp, n) - delta + penalty) * (softcap > 0 ? 1 - (logit / softcap) ** 2 : 1) * scale;
      for (let d = 0; d < D; d++) {
        dv[key + d] = at(dv, key + d) + p * at(dout, row + d);
        dq[row + d] = at(dq, row + d) + ds * at(k, key + d);
        dk[key + d] = at(dk, key + d) + ds * at(q, row + d);
      }
    });
  });
  return { dq, dk, dv };
}

interface Row {
  b: number;
  t: number;
  h: number;
  /** Where the row starts in q. */
  row: number;
  /** The visible keys: where each starts in k, and its logit. */
  cells: { key: number; logit: number }[];
  probabilities: number[];
  logsumexp: number;
}

function forEachRow(c: AttentionCase, q: ArrayLike<number>, k: ArrayLike<number>, visit: (row: Row) => void): void {
  const { B, T, S, H, K, D } = c;
  const { scale, softcap = 0 } = c.options;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = ((b * T + t) * H + h) * D;
        const cells: Row["cells"] = [];
        for (let j = 0; j < S; j++) {
          if (!sees(c, b, t, j)) continue;
          const key = ((b * S + j) * K + Math.floor(h / (H / K))) * D;
          const product = scale * dot(q, row, k, key, D);
          cells.push({ key, logit: softcap > 0 ? softcap * Math.tanh(product / softcap) : product });
        }
        const max = cells.reduce((top, { logit }) => Math.max(top, logit), -Infinity);
        const weights = cells.map(({ logit }) => Math.exp(logit - max));
        const sum = weights.reduce((total, weight) => total + weight, 0);
        const logsumexp = cells.length === 0 ? -Infinity : max + Math.log(sum);
        visit({ b, t, h, row, cells, probabilities: weights.map((weight) => weight / sum), logsumexp });
      }
    }
  }
}

function dot(a: ArrayLike<number>, from: number, b: ArrayLike<number>, start: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) sum += at(a, from + d) * at(b, start + d);
  return sum;
}
