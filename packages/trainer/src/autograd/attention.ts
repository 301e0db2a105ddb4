import { attentionBackward, attentionForward, type FloatTensor, type IntTensor, intTensor, rotary } from "@cai/native";
import type { VisibilityMask } from "@cai/visibility-mask";
import { headsView } from "./columns.js";
import type { Tape, Variable } from "./tape.js";

/** The shape of a fused projection [B·T, (H + 2K) · D]: query heads, then key heads, then value heads. */
export interface HeadLayout {
  batchSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

export interface LogitOptions {
  headDim: number;
  /** Tokens that a query sees, itself included; 0 for all. */
  window: number;
  /** tanh soft-cap of the logits; 0 for none. */
  softcap: number;
}

export interface AttentionOptions extends Omit<HeadLayout, "batchSize">, LogitOptions {
  mask: VisibilityMask;
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

/** The native options of how logits are formed. */
export function logitSettings({ headDim, window, softcap }: LogitOptions) {
  return {
    scale: 1 / Math.sqrt(headDim),
    ...(window > 0 && { window }),
    ...(softcap > 0 && { softcap }),
  };
}

/** int32 [B, T], where they are not simply 0 to T − 1. */
export function positionsOf({ positions, batchSize, seqLen }: VisibilityMask): IntTensor | undefined {
  return positions && intTensor(positions, [batchSize, seqLen]);
}

function maskSettings(mask: VisibilityMask) {
  const shape = [mask.batchSize, mask.seqLen];
  const positions = positionsOf(mask);
  return {
    start: intTensor(mask.start, shape),
    limit: intTensor(mask.limit, shape),
    ...(positions && { queryPositions: positions, keyPositions: positions }),
  };
}

/** softmax(q·kᵀ / sqrt(D)) · v over what the mask shows, for every head: qkv [B·T, (H + 2K) · D] gives [B·T, H · D]. */
export function attention(tape: Tape, qkv: Variable, options: AttentionOptions): Variable {
  const { mask, numHeads, headDim } = options;
  const { batchSize } = mask;
  const layout = { ...options, batchSize };
  const rows = qkv.value.shape[0] as number;
  const out = tape.variable([rows, numHeads * headDim]);
  const lse = tape.arena.take([batchSize, numHeads, rows / batchSize]);
  const settings = { ...logitSettings(options), ...maskSettings(mask) };
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
