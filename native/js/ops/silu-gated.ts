import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/**
 * The middle of a gated feed-forward layer: y = gate · s · up with s = 1 / (1 + e^−gate).
 *
 * @param gate [N, F]. @param up [N, F]. @param y [N, F], overwritten; may be `gate` or `up`. Rows of each may be strided.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Computes in float32; the same bits for any number of threads. Source: Shazeer, "GLU Variants", 2020.
 */
export function siluGatedForward(gate: FloatTensor, up: FloatTensor, y: FloatTensor): void {
  callNative("siluGatedForward", gate, up, y);
}

/**
 * Gradient of {@link siluGatedForward}: dgate = dy · up · s · (1 + gate · (1 − s)) and dup = dy · gate · s.
 *
 * @param dy [N, F]. @param gate [N, F]. @param up [N, F].
 * @param dgate [N, F], overwritten. @param dup [N, F], overwritten. Each may be an input, but not the same one. Rows of all
 *   may be strided.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function siluGatedBackward(
  dy: FloatTensor,
  gate: FloatTensor,
  up: FloatTensor,
  dgate: FloatTensor,
  dup: FloatTensor,
): void {
  callNative("siluGatedBackward", dy, gate, up, dgate, dup);
}
