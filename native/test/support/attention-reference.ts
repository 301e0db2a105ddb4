import type { DenseAttention } from "@cai/test-utils";
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

/** A case by its definition. */
export function denseOf({ B, T, S, H, K, D, options }: AttentionCase): DenseAttention {
  const { scale, softcap = 0, zregCoefficients, zregTargets } = options;
  const zreg = zregCoefficients ? { coefficients: zregCoefficients.data, targets: zregTargets?.data } : undefined;
  const c = { B, T, S, H, K, D, options };
  return { B, T, S, H, K, D, scale, softcap, zreg, sees: (b, t, j) => sees(c, b, t, j) };
}
