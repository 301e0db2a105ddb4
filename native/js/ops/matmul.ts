import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

export interface MatmulOptions {
  /** Use aᵀ: a is then stored [K, M]. */
  transposeA?: boolean;
  /** Use bᵀ: b is then stored [N, K]. */
  transposeB?: boolean;
  /** Factor of the product, 1 by default. */
  alpha?: number;
  /** [N], or [B, N] for one bias a product. */
  bias?: FloatTensor | null;
  /** relu2 is max(x, 0)², gelu its tanh form as in GPT-2. */
  activation?: "none" | "relu2" | "gelu";
  /** [M, N] or [B, M, N], overwritten with what the activation is applied to. */
  preActivation?: FloatTensor | null;
  /** [M, N] or [B, M, N], added after the activation; may be `out`. */
  addend?: FloatTensor | null;
  /** Add to what `out` holds, after the activation; not together with `addend`. */
  accumulate?: boolean;
}

/**
 * Matrix product: out = act(alpha · op(a) · op(b) + bias) + (accumulate ? out : addend ?? 0), op(x) being x or xᵀ.
 *
 * Rows of every matrix may be strided, and so may batches. Legend: B products, M rows, N columns, K summed.
 *
 * @param a [M, K] or [B, M, K]; with `transposeA` [K, M] or [B, K, M].
 * @param b [K, N] or, for one a product, [B, K, N]; with `transposeB` [N, K] or [B, N, K].
 * @param out [M, N] or, when a has a batch dimension, [B, M, N]. Must not overlap a or b.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`, `E_MEMORY`.
 *
 * Accumulates in float32, in order of k within blocks of a few hundred; bitwise repeatable for a given number of threads. NaN
 * and 0 · infinity are carried through. Source: Goto and van de Geijn, 2008.
 *
 * @example
 * const out = zeros([2, 1]);
 * matmul(floatTensor(Float32Array.of(1, 2, 3, 4), [2, 2]), floatTensor(Float32Array.of(1, 1), [2, 1]), out);
 * out.data; // [3, 7]
 */
export function matmul(a: FloatTensor, b: FloatTensor, out: FloatTensor, options: MatmulOptions = {}): void {
  callNative("matmul", a, b, out, options);
}

/**
 * Gradient of a bias that was added to every row: dbias[c] += Σ_r dy[r, c].
 *
 * @param dy [R, C], rows may be strided. @param dbias [C], added to.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Accumulates in float32; repeatable for a given number of threads.
 */
export function biasBackward(dy: FloatTensor, dbias: FloatTensor): void {
  callNative("biasBackward", dy, dbias);
}
