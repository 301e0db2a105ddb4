import { type AttentionInputs, randomInts } from "@cai/test-utils";
import { attentionBackward, attentionForward, floatTensor, zeros } from "../../js/index.js";
import type { AttentionCase } from "./attention-reference.js";

/** Forward and backward over contiguous arrays; every output starts as garbage, to prove that it is overwritten. */
export function runAttention({ B, T, S, H, K, D, options }: AttentionCase, { q, k, v, dout }: AttentionInputs) {
  const wide = [B, T, H, D];
  const narrow = [B, S, K, D];
  const garbage = (shape: number[]) => {
    const tensor = zeros(shape);
    tensor.data.fill(7);
    return tensor;
  };
  const [out, lse] = [garbage(wide), garbage([B, H, T])];
  const [dq, dk, dv] = [garbage(wide), garbage(narrow), garbage(narrow)];
  const [tq, tk, tv] = [floatTensor(q, wide), floatTensor(k, narrow), floatTensor(v, narrow)];
  attentionForward(tq, tk, tv, out, lse, options);
  attentionBackward(floatTensor(dout, wide), tq, tk, tv, out, lse, dq, dk, dv, options);
  return { out: out.data, lse: lse.data, dq: dq.data, dk: dk.data, dv: dv.data };
}

/** Intervals with 0 ≤ start ≤ limit ≤ most, some of them empty. */
export function randomIntervals(count: number, most: number, seed: number) {
  const a = randomInts(count, most + 1, seed);
  const b = randomInts(count, most + 1, seed + 1);
  return {
    start: a.map((value, i) => Math.min(value, b[i] as number)),
    limit: a.map((value, i) => Math.max(value, b[i] as number)),
  };
}
