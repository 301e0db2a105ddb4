import { type FloatTensor, type IntTensor, intTensor, rotary } from "@cai/native";
import { attentionBackward, attentionForward, type VisibilityMask } from "@cai/visibility-mask";
import { headsView } from "./columns.js";
import type { Tape, Variable } from "./tape.js";

/** The shape of a fused projection [B·T, (H + 2K) · D]: query heads, then key heads, then value heads. */
export interface HeadLayout {
  batchSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

export interface AttentionOptions extends Omit<HeadLayout, "batchSize"> {
  mask: VisibilityMask;
  /** Tokens that a query sees, itself included; 0 for all. */
  window: number;
  /** tanh soft-cap of the logits; 0 for none. */
  softcap: number;
}

export function queryHeads(qkv: FloatTensor, layout: HeadLayout): FloatTensor {
  return headsView(qkv, layout, 0, layout.numHeads);
}

export function keyHeads(qkv: FloatTensor, layout: HeadLayout): FloatTensor {
  return headsView(qkv, layout, layout.numHeads, layout.numKvHeads);
}

export function valueHeads(qkv: FloatTensor, layout: HeadLayout): FloatTensor {
  return headsView(qkv, layout, layout.numHeads + layout.numKvHeads, layout.numKvHeads);
}

/** int32 [B, T], where they are not simply 0 to T − 1. */
export function positionsOf({ positions, batchSize, seqLen }: VisibilityMask): IntTensor | undefined {
  return positions && intTensor(positions, [batchSize, seqLen]);
}

/** softmax(q·kᵀ / sqrt(D)) · v over what the mask shows, for every head: qkv [B·T, (H + 2K) · D] gives [B·T, H · D]. */
export function attention(tape: Tape, qkv: Variable, options: AttentionOptions): Variable {
  const { mask, numHeads, headDim, window, softcap } = options;
  const { batchSize } = mask;
  const layout = { ...options, batchSize };
  const rows = qkv.value.shape[0] as number;
  const out = tape.variable([rows, numHeads * headDim]);
  const lse = tape.arena.take([batchSize, numHeads, rows / batchSize]);
  const settings = { mask, window, softcap };
  const heads = (fused: FloatTensor) =>
    [queryHeads(fused, layout), keyHeads(fused, layout), valueHeads(fused, layout)] as const;
  const all = (matrix: FloatTensor) => headsView(matrix, layout, 0, numHeads);
  attentionForward(...heads(qkv.value), all(out.value), lse, settings);
  tape.record(out, [lse], [], (dout) => {
    const { tensor: dqkv, accumulate } = tape.gradientOf(qkv);
    if (accumulate) throw new Error("a fused projection has one attention");
    attentionBackward(all(dout), ...heads(qkv.value), all(out.value), lse, ...heads(dqkv), settings);
  });
  return out;
}

/**
 * Rotates query and key heads of a fused projection by their positions, in place: the projection's own backward pass
 * does not read its output, so nothing needs the values from before.
 */
export function rotaryInPlace(
  tape: Tape,
  qkv: Variable,
  table: FloatTensor,
  layout: HeadLayout,
  positions: IntTensor | undefined,
): Variable {
  const rotated = (fused: FloatTensor) => headsView(fused, layout, 0, layout.numHeads + layout.numKvHeads);
  const turn = (fused: FloatTensor, inverse: boolean) =>
    rotary(rotated(fused), table, positions ?? null, rotated(fused), { inverse });
  turn(qkv.value, false);
  tape.recordInPlace(qkv, (dqkv) => turn(dqkv, true));
  return qkv;
}
