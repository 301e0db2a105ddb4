import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/**
 * Root mean square normalisation: y = x · rstd · weight, with rstd = 1 / sqrt(mean(x²) + eps) for each row.
 *
 * @param x [R, C] or [N, H, C], outer strides free: [N, H, C] normalises heads inside a fused projection.
 * @param weight [C].
 * @param y shape of `x`, outer strides free, overwritten; may be `x`.
 * @param rstd [R] or [N, H], overwritten: what the backward pass needs.
 * @param options.eps added to the mean square, such as 1e-5.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Accumulates in float32; the same bits for any number of threads. Source: Zhang and Sennrich, 2019.
 */
export function rmsNormForward(
  x: FloatTensor,
  weight: FloatTensor,
  y: FloatTensor,
  rstd: FloatTensor,
  options: { eps: number },
): void {
  callNative("rmsNormForward", x, weight, y, rstd, options);
}

/**
 * Gradient of {@link rmsNormForward}. With g = dy · weight and n = x · rstd: dx = rstd · (g − n · mean(g · n)) and
 * dweight += Σ dy · n over rows.
 *
 * @param dy shape of `x`, outer strides free. @param x [R, C] or [N, H, C], outer strides free. @param weight [C].
 * @param rstd [R] or [N, H], from the forward pass.
 * @param dx shape of `x`, outer strides free; overwritten, or added to with `accumulate`; may be `dy`.
 * @param dweight [C], always added to.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * dweight is repeatable for a given number of threads, dx for any.
 */
export function rmsNormBackward(
  dy: FloatTensor,
  x: FloatTensor,
  weight: FloatTensor,
  rstd: FloatTensor,
  dx: FloatTensor,
  dweight: FloatTensor,
  options: { accumulate?: boolean } = {},
): void {
  callNative("rmsNormBackward", dy, x, weight, rstd, dx, dweight, options);
}
