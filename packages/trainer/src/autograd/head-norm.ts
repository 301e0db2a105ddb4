import { type FloatTensor, rmsNormBackward, rmsNormForward } from "@cai/native";
import { type HeadLayout, keyHeads, queryHeads, valueHeads } from "./attention.js";
import type { Parameter, Tape, Variable } from "./tape.js";

/** RMSNorm over each query and each key head of a fused projection [B·T, (H + 2K) · D]; values pass unchanged. */
export function headNorm(
  tape: Tape,
  qkv: Variable,
  weights: { query: Parameter; key: Parameter },
  eps: number,
  layout: HeadLayout,
): Variable {
  const out = tape.variable(qkv.value.shape);
  const parts = [
    { heads: queryHeads, weight: weights.query, count: layout.numHeads },
    { heads: keyHeads, weight: weights.key, count: layout.numKvHeads },
  ].map((part) => {
    const view = (fused: FloatTensor) => flatRows(part.heads(fused, layout));
    return { ...part, view, rstd: tape.arena.take([qkv.value.shape[0] as number, part.count]) };
  });
  for (const { weight, view, rstd } of parts) {
    rmsNormForward(view(qkv.value), weight.value, view(out.value), rstd, { eps });
  }
  copyRows(valueHeads(qkv.value, layout), valueHeads(out.value, layout));
  tape.record(
    out,
    parts.map(({ rstd }) => rstd),
    parts.map(({ weight }) => weight),
    (dout) => {
      const { tensor: dqkv, accumulate } = tape.gradientOf(qkv);
      if (accumulate) throw new Error("a fused projection has one head norm");
      for (const { weight, view, rstd } of parts) {
        rmsNormBackward(view(dout), view(qkv.value), weight.value, rstd, view(dqkv), weight.grad);
      }
      copyRows(valueHeads(dout, layout), valueHeads(dqkv, layout));
    },
  );
  return out;
}

/** [B, T, heads, D] as [B·T, heads, D]. */
function flatRows(heads: FloatTensor): FloatTensor {
  const [batchSize, seqLen, count, headDim] = heads.shape as [number, number, number, number];
  const [, row, head] = heads.strides as readonly number[] as [number, number, number];
  return { ...heads, shape: [batchSize * seqLen, count, headDim], strides: [row, head, 1] };
}

function copyRows(from: FloatTensor, to: FloatTensor): void {
  const [batchSize, seqLen, count, headDim] = from.shape as [number, number, number, number];
  const stride = (from.strides as readonly number[])[1] as number;
  const width = count * headDim;
  for (let row = 0; row < batchSize * seqLen; row++) {
    to.data.set(from.data.subarray(row * stride, row * stride + width), row * stride);
  }
}
