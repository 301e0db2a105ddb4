import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/**
 * Layer normalisation: y = (x − mean) · rstd · weight + bias, with rstd = 1 / sqrt(variance + eps) for each row.
 *
 * @param x [R, C] or [N, H, C], outer strides free.
 * @param weight [C].
 * @param bias [C], or null for none.
 * @param y shape of `x`, outer strides free, overwritten; may be `x`.
 * @param mean [R] or [N, H], overwritten: what the backward pass needs.
 * @param rstd [R] or [N, H], overwritten: what the backward pass needs.
 * @param options.eps added to the variance, such as 1e-5.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Accumulates in float32, the variance over differences from the mean; the same bits for any number of threads.
 * Source: Ba, Kiros and Hinton, 2016.
 */
export function layerNormForward(
  x: FloatTensor,
  weight: FloatTensor,
  bias: FloatTensor | null,
  y: FloatTensor,
  mean: FloatTensor,
  rstd: FloatTensor,
  options: { eps: number },
): void {
  callNative("layerNormForward", x, weight, bias, y, mean, rstd, options);
}

/**
 * Gradient of {@link layerNormForward}. With g = dy · weight and n = (x − mean) · rstd:
 * dx = rstd · (g − mean(g) − n · mean(g · n)), dweight += Σ dy · n and dbias += Σ dy over rows.
 *
 * @param dy shape of `x`, outer strides free. @param x [R, C] or [N, H, C], outer strides free. @param weight [C].
 * @param mean [R] or [N, H], from the forward pass. @param rstd the same.
 * @param dx shape of `x`, outer strides free; overwritten, or added to with `accumulate`; may be `dy`.
 * @param dweight [C], always added to.
 * @param dbias [C], always added to; null where there is no bias.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * dweight and dbias are repeatable for a given number of threads, dx for any.
 */
export function layerNormBackward(
  dy: FloatTensor,
  x: FloatTensor,
  weight: FloatTensor,
  mean: FloatTensor,
  rstd: FloatTensor,
  dx: FloatTensor,
  dweight: FloatTensor,
  dbias: FloatTensor | null,
  options: { accumulate?: boolean } = {},
): void {
  callNative("layerNormBackward", dy, x, weight, mean, rstd, dx, dweight, dbias, options);
}
