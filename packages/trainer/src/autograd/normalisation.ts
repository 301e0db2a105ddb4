import { type FloatTensor, layerNormBackward, layerNormForward, rmsNormBackward, rmsNormForward } from "@cai/native";
import type { Parameter, Tape, Variable } from "./tape.js";

/** y = x · weight / sqrt(mean(x²) + eps) over the rows of x [N, C]. */
export function rmsNorm(tape: Tape, x: Variable, weight: Parameter, eps: number): Variable {
  const y = tape.variable(x.value.shape);
  const rstd = tape.arena.take([x.value.shape[0] as number]);
  rmsNormForward(x.value, weight.value, y.value, rstd, { eps });
  tape.record(y, [rstd], [weight], (dy) => {
    const { tensor: dx, accumulate } = tape.gradientOf(x);
    rmsNormBackward(dy, x.value, weight.value, rstd, dx, weight.grad, { accumulate });
  });
  return y;
}

/** y = (x − mean) · weight / sqrt(variance + eps) + bias over the rows of x [N, C]. */
export function layerNorm(
  tape: Tape,
  x: Variable,
  weight: Parameter,
  bias: Parameter | undefined,
  eps: number,
): Variable {
  const y = tape.variable(x.value.shape);
  const rows = x.value.shape[0] as number;
  const mean = tape.arena.take([rows]);
  const rstd = tape.arena.take([rows]);
  layerNormForward(x.value, weight.value, bias?.value ?? null, y.value, mean, rstd, { eps });
  tape.record(y, [mean, rstd], bias ? [weight, bias] : [weight], (dy) => {
    const { tensor: dx, accumulate } = tape.gradientOf(x);
    const dbias: FloatTensor | null = bias?.grad ?? null;
    layerNormBackward(dy, x.value, weight.value, mean, rstd, dx, weight.grad, dbias, { accumulate });
  });
  return y;
}
