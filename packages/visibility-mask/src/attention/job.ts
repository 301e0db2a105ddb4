import type { VisibilityMask } from "../mask.js";
import type { FloatTensor } from "./options.js";

/** Sizes of one call: B batch, T queries, S keys, H query heads, K key-value heads, D head dimension. */
export interface Dims {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly K: number;
  readonly D: number;
}

/** Checked options of one call, without gaps. */
export interface AttentionJob {
  readonly dims: Dims;
  readonly mask: VisibilityMask;
  readonly queryIndices: Int32Array | undefined;
  readonly window: number;
  readonly scale: number;
  readonly softcap: number;
}

/** Of a backward call; without coefficients logsumexp is left as it is. */
export interface BackwardJob extends AttentionJob {
  /** [H]. */
  readonly zregCoefficients?: Float32Array | undefined;
  /** [B, T]. */
  readonly zregTargets?: Float32Array | undefined;
}

/** [B, T, H, D] or [B, S, K, D] each, but lse: [B, H, T]. */
export type ForwardTensors = [q: FloatTensor, k: FloatTensor, v: FloatTensor, out: FloatTensor, lse: FloatTensor];

export type BackwardTensors = [
  dout: FloatTensor,
  ...forward: ForwardTensors,
  dq: FloatTensor,
  dk: FloatTensor,
  dv: FloatTensor,
];

/** What a backend does, with checked arguments. */
export interface AttentionOps {
  forward(...args: [...ForwardTensors, job: AttentionJob]): void;
  backward(...args: [...BackwardTensors, job: BackwardJob]): void;
}
