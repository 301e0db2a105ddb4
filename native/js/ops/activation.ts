import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/** `relu2` is max(x, 0)²; `gelu` is its tanh form, x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, as GPT-2 has it. */
export type ActivationKind = "relu2" | "gelu";

/**
 * An activation, elementwise: y = f(x).
 *
 * @param x [N, C], rows may be strided. @param y [N, C], rows may be strided, overwritten; may be `x`.
 * @param options.kind see {@link ActivationKind}.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Computes in float32, gelu within 1e-7 · max(1, |x|); the same bits for any number of threads and as the matrix product's
 * fused activation. Sources: So et al., "Primer", 2021; Hendrycks and Gimpel, 2016.
 */
export function activationForward(x: FloatTensor, y: FloatTensor, options: { kind: ActivationKind }): void {
  callNative("activationForward", x, y, options);
}

/**
 * Gradient of {@link activationForward}: dx = dy · f'(x).
 *
 * @param dy [N, C]. @param x [N, C], the forward pass's input. @param dx [N, C], overwritten; may be `dy` or `x`. Rows of
 *   each may be strided.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function activationBackward(
  dy: FloatTensor,
  x: FloatTensor,
  dx: FloatTensor,
  options: { kind: ActivationKind },
): void {
  callNative("activationBackward", dy, x, dx, options);
}
