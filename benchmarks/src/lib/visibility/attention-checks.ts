// Whether attention, by whatever computes it in this process, is what dense attention in double precision is.
import { attentionInputs, type DenseAttention, denseBackward, denseForward } from "@cai/test-utils";
import { attention, attentionDecode, type FloatTensor } from "@cai/visibility-mask";
import type { View } from "./mask-checks.js";

/**
 * Those of the package's tests: float32 logits of normal q and k err by a few roundings of values up to 5, and
 * dout · v − delta may cancel wholly in each of a few hundred cells.
 */
const tolerance = { relative: 1e-5, forward: 5e-6, backward: 2e-5 };

const [H, K, D] = [2, 1, 4];

export interface AttentionCheck {
  /** Checks that failed, of: who is seen, values, gradients, decoding. */
  readonly failed: readonly string[];
  /** The greatest absolute difference of outputs and logsumexps, and of gradients. */
  readonly forwardDiff: number;
  readonly backwardDiff: number;
}

export function checkAttention(view: View, seed: number): AttentionCheck {
  const { mask, window, dense } = view;
  const { batchSize: B, seqLen: T } = mask;
  const sees = (b: number, i: number, j: number) => dense[(b * T + i) * T + j] === 1;
  const shape: DenseAttention = { B, T, S: T, H, K, D, scale: 1 / Math.sqrt(D), softcap: 0, sees };
  const { q, k, v, dout } = attentionInputs(shape, seed);
  const forward = denseForward(shape, q, k, v);
  const gradients = denseBackward(shape, dout, q, k, v);

  const [tq, tk, tv] = [tensor(q, [B, T, H, D]), tensor(k, [B, T, K, D]), tensor(v, [B, T, K, D])];
  const actual = attention(tq, tk, tv, { mask, window });
  const { dq, dk, dv } = actual.backward(tensor(dout, [B, T, H, D]));
  const values = [compare(actual.out, forward.out, "forward"), compare(actual.lse, forward.lse, "forward")];
  const slopes = [
    compare(dq, gradients.dq, "backward"),
    compare(dk, gradients.dk, "backward"),
    compare(dv, gradients.dv, "backward"),
  ];
  const isClose = (parts: readonly Difference[]) => parts.every(({ close }) => close);
  const passed = {
    seen: isSeenExactly(view),
    values: isClose(values),
    gradients: isClose(slopes),
    decode: decodesAlike(view, tq, tk, tv, forward),
  };
  return {
    failed: Object.entries(passed).flatMap(([name, holds]) => (holds ? [] : [name])),
    forwardDiff: Math.max(...values.map(({ most }) => most)),
    backwardDiff: Math.max(...slopes.map(({ most }) => most)),
  };
}

/** With logits of 0 and values that are unit vectors, the output is 1 over how many are seen at exactly those. */
function isSeenExactly({ mask, window, dense }: View): boolean {
  const { batchSize: B, seqLen: T } = mask;
  const units = new Float32Array(B * T * T);
  for (let token = 0; token < B * T; token++) units[token * T + (token % T)] = 1;
  const zeros = tensor(new Float32Array(B * T * T), [B, T, 1, T]);
  const { out } = attention(zeros, zeros, tensor(units, [B, T, 1, T]), { mask, window });
  return out.data.every((share, cell) => share > 0 === (dense[cell] === 1));
}

/** A few queries of each row in another order, over all keys as a cache. */
function decodesAlike(
  { mask, window }: View,
  q: FloatTensor,
  k: FloatTensor,
  v: FloatTensor,
  { out, lse }: Record<"out" | "lse", Float64Array>,
): boolean {
  const { batchSize: B, seqLen: T } = mask;
  const count = Math.min(T, 3);
  const queryIndices = new Int32Array(B * count).map((_, n) => (11 * n + 5) % T);
  const tokenOf = (n: number) => Math.floor(n / count) * T + (queryIndices[n] as number);
  const rows = new Float32Array(B * count * H * D);
  queryIndices.forEach((_, n) => {
    rows.set(q.data.subarray(tokenOf(n) * H * D, (tokenOf(n) + 1) * H * D), n * H * D);
  });
  const actual = attentionDecode(tensor(rows, [B, count, H, D]), k, v, { mask, window, queryIndices });
  const expectedOut = new Float64Array(rows.length);
  const expectedLse = new Float64Array(B * H * count);
  queryIndices.forEach((index, n) => {
    expectedOut.set(out.subarray(tokenOf(n) * H * D, (tokenOf(n) + 1) * H * D), n * H * D);
    const b = Math.floor(n / count);
    for (let h = 0; h < H; h++) {
      expectedLse[(b * H + h) * count + (n % count)] = lse[(b * H + h) * T + index] as number;
    }
  });
  return compare(actual.out, expectedOut, "forward").close && compare(actual.lse, expectedLse, "forward").close;
}

interface Difference {
  readonly close: boolean;
  readonly most: number;
}

function compare({ data }: FloatTensor, expected: Float64Array, pass: "forward" | "backward"): Difference {
  let [close, most] = [data.length === expected.length, 0];
  expected.forEach((value, i) => {
    const actual = data[i] as number;
    if (actual === value) return;
    const difference = Math.abs(actual - value);
    most = Math.max(most, difference);
    close &&= difference <= tolerance[pass] + tolerance.relative * Math.abs(value);
  });
  return { close, most };
}

function tensor(data: Float32Array, shape: readonly number[]): FloatTensor {
  return { dtype: "float32", device: "cpu", shape, data };
}
