import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/**
 * tanh soft-cap, elementwise: y = cap · tanh(x / cap), which leaves small values alone and keeps all within ± cap.
 *
 * @param x [N, C], rows may be strided. @param y [N, C], rows may be strided, overwritten; may be `x`.
 * @param options.cap above 0.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Computes in float32; the same bits for any number of threads. Source: Gemma Team, "Gemma 2", 2024.
 */
export function softcapForward(x: FloatTensor, y: FloatTensor, options: { cap: number }): void {
  callNative("softcapForward", x, y, options);
}

/**
 * Gradient of {@link softcapForward}, from its output: dx = dy · (1 − (y / cap)²).
 *
 * @param dy [N, C]. @param y [N, C], the forward pass's output. @param dx [N, C], overwritten; may be `dy` or `y`. Rows
 *   of each may be strided. @param options.cap that of the forward pass.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function softcapBackward(dy: FloatTensor, y: FloatTensor, dx: FloatTensor, options: { cap: number }): void {
  callNative("softcapBackward", dy, y, dx, options);
}
