import { type DenseAttention, denseBackward, denseForward, randomFloats } from "@cai/test-utils";

/** What a row of tokens is to a model, with the terms of its loss: token i predicted at parents[i], counted weights[i]. */
export interface ModelRow {
  tokens: ArrayLike<number>;
  positions: ArrayLike<number>;
  parents: ArrayLike<number>;
  weights: ArrayLike<number>;
  sees(query: number, key: number): boolean;
}

export const vocabSize = 6;
const maxPositions = 64;
const D = 3;

/** Embeddings of tokens and positions, and one head of attention: x + attention(x Wq, x Wk, x Wv), against the embeddings. */
const E = Float64Array.from(randomFloats(vocabSize * D, 1));
const P = Float64Array.from(randomFloats(maxPositions * D, 2));
const [Wq, Wk, Wv] = [3, 4, 5].map((seed) => Float64Array.from(randomFloats(D * D, seed))) as [M, M, M];

type M = Float64Array;

/** The loss of a row and its gradient by every parameter, in doubles. */
export function lossAndGradient(row: ModelRow): { loss: number; gradient: number[] } {
  const T = row.tokens.length;
  const sees = (_: number, t: number, j: number) => row.sees(t, j);
  const dense: DenseAttention = { B: 1, T, S: T, H: 1, K: 1, D, scale: 1, softcap: 0, sees };
  const x = new Float64Array(T * D).map(
    (_, i) => at(E, at(row.tokens, floor(i)) * D + (i % D)) + at(P, at(row.positions, floor(i)) * D + (i % D)),
  );
  const [q, k, v] = [Wq, Wk, Wv].map((W) => times(x, W, T, false)) as [M, M, M];
  const h = denseForward(dense, q, k, v).out.map((value, i) => value + at(x, i));
  const [dE, dP, dh] = [new Float64Array(E.length), new Float64Array(P.length), new Float64Array(h.length)];
  let loss = 0;
  for (let i = 0; i < T; i++) {
    if (at(row.weights, i) !== 0)
      loss += at(row.weights, i) * predict(h, at(row.parents, i), at(row.tokens, i), at(row.weights, i), dE, dh);
  }
  const { dq, dk, dv } = denseBackward(dense, dh, q, k, v);
  const dx = dh.slice();
  const dWs = (
    [
      [dq, Wq],
      [dk, Wk],
      [dv, Wv],
    ] as const
  ).map(([dy, W]) => {
    for (const [i, value] of times(dy, W, T, true).entries()) add(dx, i, value);
    return outer(x, dy, T);
  });
  dx.forEach((value, i) => {
    add(dE, at(row.tokens, floor(i)) * D + (i % D), value);
    add(dP, at(row.positions, floor(i)) * D + (i % D), value);
  });
  return { loss, gradient: [dE, dP, ...dWs].flatMap((part) => [...part]) };
}

/** Cross-entropy of `target` under E h[parent]; adds `weight` times its gradient. */
function predict(h: M, parent: number, target: number, weight: number, dE: M, dh: M): number {
  const logits = Array.from({ length: vocabSize }, (_, v) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += at(E, v * D + d) * at(h, parent * D + d);
    return sum;
  });
  const lse = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  logits.forEach((logit, v) => {
    const g = weight * (Math.exp(logit - lse) - (v === target ? 1 : 0));
    for (let d = 0; d < D; d++) {
      add(dE, v * D + d, g * at(h, parent * D + d));
      add(dh, parent * D + d, g * at(E, v * D + d));
    }
  });
  return lse - (logits[target] as number);
}

const at = (list: ArrayLike<number>, i: number) => list[i] as number;
const floor = (i: number) => Math.floor(i / D);
function add(list: M, i: number, value: number): void {
  list[i] = at(list, i) + value;
}

/** x W, or x Wᵀ. */
function times(x: ArrayLike<number>, W: M, rows: number, transposed: boolean): M {
  return new Float64Array(rows * D).map((_, i) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += at(x, floor(i) * D + d) * at(W, transposed ? (i % D) * D + d : d * D + (i % D));
    return sum;
  });
}

/** xᵀ dy. */
function outer(x: ArrayLike<number>, dy: ArrayLike<number>, rows: number): M {
  return new Float64Array(D * D).map((_, i) => {
    let sum = 0;
    for (let t = 0; t < rows; t++) sum += at(x, t * D + floor(i)) * at(dy, t * D + (i % D));
    return sum;
  });
}
