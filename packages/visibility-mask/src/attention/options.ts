import type { VisibilityMask } from "../mask.js";

/** float32 with a shape and strides, in elements: any object with these fields, such as a tensor of `@cai/native`. */
export interface FloatTensor {
  readonly dtype: "float32";
  readonly device: "cpu" | "cuda";
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
  readonly data: Float32Array;
}

/** Who sees whom, and how logits are formed; the same for both passes. */
export interface AttentionOptions {
  /** [B, S] over the keys. */
  readonly mask: VisibilityMask;
  /**
   * int32 [B, T]: the index in the mask of each query, in any order, as with a key-value cache; t when absent, and then
   * T = S. A query's position is the mask's at that index.
   */
  readonly queryIndices?: Int32Array | undefined;
  /** w > 0: a key is visible only where also 0 ≤ query position − key position < w. 0, the default: no window. */
  readonly window?: number;
  /** Multiplies q · k; 1 / sqrt(D) when absent. */
  readonly scale?: number;
  /** c > 0: logits become c · tanh(logit / c). 0, the default: none. */
  readonly softcap?: number;
}

/** The gradient of c · (lse − z0)², summed over rows that see something, is added to that of the logits. */
export interface ZregOptions {
  /** c for all heads, or for each, float32 [H]; 0 or more. */
  readonly coefficient: number | Float32Array;
  /** z0, float32 [B, T]; 0 when absent. */
  readonly targets?: Float32Array | undefined;
}

/** What a backward pass may add to the loss. */
export interface BackwardOptions {
  readonly zreg?: ZregOptions | undefined;
}
