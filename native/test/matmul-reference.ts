import type { MatmulOptions } from "../js/index.js";

export interface ReferenceOptions extends Omit<MatmulOptions, "preActivation"> {
  /** What `accumulate` adds to. */
  out?: ArrayLike<number>;
}

/** The activations of `matmul`, in doubles. */
export function activate(kind: MatmulOptions["activation"], x: number): number {
  if (kind === "relu2") return Math.max(x, 0) ** 2;
  if (kind === "gelu") return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  return x;
}

/** `matmul` on one pair of dense matrices, straight from its definition, in doubles. */
export function matmulReference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { m, n, k }: { m: number; n: number; k: number },
  options: ReferenceOptions,
): { out: Float64Array; preActivation: Float64Array } {
  const { transposeA, transposeB, alpha = 1, bias, activation, addend, accumulate } = options;
  const out = new Float64Array(m * n);
  const preActivation = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) {
        const left = a[transposeA ? p * m + i : i * k + p] as number;
        sum += left * (b[transposeB ? j * k + p : p * n + j] as number);
      }
      const at = i * n + j;
      const value = alpha * sum + (bias?.data[j] ?? 0);
      preActivation[at] = value;
      const onto = accumulate ? (options.out?.[at] ?? 0) : (addend?.data[at] ?? 0);
      out[at] = activate(activation, value) + onto;
    }
  }
  return { out, preActivation };
}
