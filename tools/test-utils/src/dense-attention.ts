import { randomFloats } from "./seeded-data.js";

/** Attention by its definition. B batch, T queries, S keys, H query heads, K key-value heads, D head dimension. */
export interface DenseAttention {
  B: number;
  T: number;
  S: number;
  H: number;
  K: number;
  D: number;
  scale: number;
  /** 0: none. */
  softcap: number;
  /** Whether query t of entry b sees key j. */
  sees(b: number, t: number, j: number): boolean;
  /** c of each head, [H], and z0 of each query, [B, T], 0 when absent: of the penalty on logsumexp. */
  zreg?: { coefficients: ArrayLike<number>; targets: ArrayLike<number> | undefined } | undefined;
}

export type AttentionInputs = Record<"q" | "k" | "v" | "dout", Float32Array>;

/** Normal q [B, T, H, D], k and v [B, S, K, D] and dout [B, T, H, D], the same for the same seed. */
export function attentionInputs(sizes: Pick<DenseAttention, "B" | "T" | "S" | "H" | "K" | "D">, seed: number) {
  const { B, T, S, H, K, D } = sizes;
  const inputs: AttentionInputs = {
    q: randomFloats(B * T * H * D, seed),
    k: randomFloats(B * S * K * D, seed + 1),
    v: randomFloats(B * S * K * D, seed + 2),
    dout: randomFloats(B * T * H * D, seed + 3),
  };
  return inputs;
}

const at = (list: ArrayLike<number>, i: number) => list[i] as number;

/** Dense attention in doubles over contiguous [B, T, H, D] and [B, S, K, D] arrays. */
export function denseForward(c: DenseAttention, q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>) {
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
export function zregPenalty(c: DenseAttention, lse: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < lse.length; row++) {
    if (at(lse, row) === -Infinity) continue;
    const [b, h, t] = [Math.floor(row / (c.H * c.T)), Math.floor(row / c.T) % c.H, row % c.T];
    const [coefficient, target] = zregOf(c, b, h, t);
    sum += coefficient * (at(lse, row) - target) ** 2;
  }
  return sum;
}

function zregOf({ T, zreg }: DenseAttention, b: number, h: number, t: number): [coefficient: number, target: number] {
  if (!zreg) return [0, 0];
  return [at(zreg.coefficients, h), zreg.targets ? at(zreg.targets, b * T + t) : 0];
}

/** The gradients of Σ dout · out, and of the penalty where there is one, in doubles. */
export function denseBackward(
  c: DenseAttention,
  dout: ArrayLike<number>,
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
) {
  const { D, scale, softcap } = c;
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  forEachRow(c, q, k, ({ b, t, h, row, cells, probabilities, logsumexp }) => {
    const dp = cells.map(({ key }) => dot(dout, row, v, key, D));
    const delta = dp.reduce((sum, value, n) => sum + value * at(probabilities, n), 0);
    const [coefficient, target] = zregOf(c, b, h, t);
    const penalty = 2 * coefficient * (logsumexp - target);
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

function forEachRow(c: DenseAttention, q: ArrayLike<number>, k: ArrayLike<number>, visit: (row: Row) => void): void {
  const { B, T, S, H, K, D, scale, softcap } = c;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const keys = Array.from({ length: S }, (_, j) => j).filter((j) => c.sees(b, t, j));
      for (let h = 0; h < H; h++) {
        const row = ((b * T + t) * H + h) * D;
        const cells = keys.map((j) => {
          const key = ((b * S + j) * K + Math.floor(h / (H / K))) * D;
          const product = scale * dot(q, row, k, key, D);
          return { key, logit: softcap > 0 ? softcap * Math.tanh(product / softcap) : product };
        });
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
