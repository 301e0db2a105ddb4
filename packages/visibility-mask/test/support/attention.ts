import {
  type AttentionInputs,
  attentionInputs,
  backendsOf,
  type DenseAttention,
  denseBackward,
  denseForward,
  expectAllClose,
} from "@cai/test-utils";
import { beforeAll, describe } from "vitest";
import { attentionBackward, attentionForward } from "../../src/attention/attention.js";
import { registerNative } from "../../src/attention/backend.js";
import { loadNative } from "../../src/attention/native-node.js";
import type { AttentionOptions, BackwardOptions, FloatTensor } from "../../src/attention/options.js";
import { portableOps } from "../../src/attention/portable/operations.js";

/**
 * What float32 sums of the native code lose: a logit of normal q and k errs by a few roundings (6e-8) of values up to
 * about 5, so a probability errs by 1e-6 relative; outputs are means of values near 1.
 */
export const tolerance = { rtol: 1e-5, atol: 5e-6 };
/** dq and dk also carry dout · v − delta, a difference of values up to 20 that may cancel wholly, in each of up to a few hundred cells. */
export const gradientTolerance = { rtol: 1e-5, atol: 2e-5 };

/** The same tests of the package's functions for every backend of this machine. */
export function forEachBackend(tests: (name: string) => void): void {
  describe.each(backendsOf(portableOps, loadNative()))("%s", (name, ops) => {
    beforeAll(() => registerNative(() => ops));
    tests(name);
  });
}

export interface Case {
  T?: number;
  H: number;
  K: number;
  D: number;
  options: AttentionOptions & BackwardOptions;
}

/** A case by its definition. */
export function denseOf({ T, H, K, D, options }: Case): DenseAttention {
  const { mask, queryIndices, window = 0, scale = 1 / Math.sqrt(D), softcap = 0 } = options;
  const [B, S] = [mask.batchSize, mask.seqLen];
  const queries = T ?? S;
  const index = (b: number, t: number) => queryIndices?.[b * queries + t] ?? t;
  const sees = (b: number, t: number, j: number) => mask.isVisible(index(b, t), j, { row: b, window });
  return { B, T: queries, S, H, K, D, scale, softcap, sees, zreg: zregOf(H, options) };
}

function zregOf(H: number, { zreg }: BackwardOptions): DenseAttention["zreg"] {
  if (!zreg) return undefined;
  const { coefficient, targets } = zreg;
  return { coefficients: typeof coefficient === "number" ? Array(H).fill(coefficient) : coefficient, targets };
}

export function tensor(data: Float32Array, shape: readonly number[], strides?: readonly number[]): FloatTensor {
  return { dtype: "float32", device: "cpu", shape, data, ...(strides && { strides }) };
}

/** Forward and backward over contiguous arrays; every output starts as garbage, to prove that it is overwritten. */
export function runAttention(c: Case, { q, k, v, dout }: AttentionInputs) {
  const { B, T, S, H, K, D } = denseOf(c);
  const [wide, narrow] = [
    [B, T, H, D],
    [B, S, K, D],
  ];
  const garbage = (shape: number[]) =>
    tensor(new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(7), shape);
  const [out, lse] = [garbage(wide), garbage([B, H, T])];
  const [dq, dk, dv] = [garbage(wide), garbage(narrow), garbage(narrow)];
  const [tq, tk, tv] = [tensor(q, wide), tensor(k, narrow), tensor(v, narrow)];
  attentionForward(tq, tk, tv, out, lse, c.options);
  attentionBackward(tensor(dout, wide), tq, tk, tv, out, lse, dq, dk, dv, c.options);
  return { out: out.data, lse: lse.data, dq: dq.data, dk: dk.data, dv: dv.data };
}

/** Both passes against dense attention in doubles. */
export function expectAgrees(c: Case, seed: number): void {
  const dense = denseOf(c);
  const inputs = attentionInputs(dense, seed);
  const { q, k, v, dout } = inputs;
  const actual = runAttention(c, inputs);
  const forward = denseForward(dense, q, k, v);
  expectAllClose(actual.out, forward.out, tolerance);
  expectAllClose(actual.lse, forward.lse, tolerance);
  const gradients = denseBackward(dense, dout, q, k, v);
  expectAllClose(actual.dq, gradients.dq, gradientTolerance);
  expectAllClose(actual.dk, gradients.dk, gradientTolerance);
  expectAllClose(actual.dv, gradients.dv, gradientTolerance);
}
