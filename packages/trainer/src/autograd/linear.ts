import { activationBackward, biasBackward, type FloatTensor, matmul } from "@cai/native";
import type { Parameter, Tape, Variable } from "./tape.js";

export type Activation = "relu2" | "gelu";

export interface LinearOptions {
  /** `out-in`: weight is [out, in], as torch's Linear; `in-out`: [in, out], as GPT-2's Conv1D. */
  layout: "out-in" | "in-out";
  bias?: Parameter;
  activation?: Activation;
  /** Added to the result; this must be the addend's last use. */
  addend?: Variable;
}

/** act(x · Wᵀ + bias) + addend over rows: x [N, in] gives [N, out]. */
export function linear(tape: Tape, x: Variable, weight: Parameter, options: LinearOptions): Variable {
  const { bias, activation, addend } = options;
  const transposed = options.layout === "out-in";
  const rows = x.value.shape[0] as number;
  const outSize = weight.value.shape[transposed ? 0 : 1] as number;
  const out = tape.variable([rows, outSize]);
  const preActivation = activation && tape.recording ? tape.arena.take([rows, outSize]) : undefined;
  matmul(x.value, weight.value, out.value, {
    transposeB: transposed,
    ...(bias && { bias: bias.value }),
    ...(activation && { activation }),
    ...(preActivation && { preActivation }),
    ...(addend && { addend: addend.value }),
  });
  const parameters = bias ? [weight, bias] : [weight];
  tape.record(out, preActivation ? [preActivation] : [], parameters, (outputGrad) => {
    const dy =
      activation && preActivation ? throughActivation(tape, outputGrad, preActivation, activation) : outputGrad;
    linearBackward(tape, x, weight, dy, transposed);
    if (bias) biasBackward(dy, bias.grad);
    if (dy !== outputGrad) tape.arena.release(dy);
    if (addend) tape.passGradient(out, addend);
  });
  return out;
}

function throughActivation(tape: Tape, dy: FloatTensor, preActivation: FloatTensor, kind: Activation): FloatTensor {
  const dx = tape.arena.take(dy.shape);
  activationBackward(dy, preActivation, dx, { kind });
  return dx;
}

function linearBackward(tape: Tape, x: Variable, weight: Parameter, dy: FloatTensor, transposed: boolean): void {
  if (transposed) matmul(dy, x.value, weight.grad, { transposeA: true, accumulate: true });
  else matmul(x.value, dy, weight.grad, { transposeA: true, accumulate: true });
  const dx = tape.gradientOf(x);
  matmul(dy, weight.value, dx.tensor, { transposeB: !transposed, accumulate: dx.accumulate });
}
