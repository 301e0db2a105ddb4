import { attentionBackward, attentionForward, type FloatTensor, type IntTensor, rotary } from "@cai/native";
import { headsView } from "./columns.js";
import type { Tape, Variable } from "./tape.js";

/** The shape of a fused projection [B·T, (H + 2K) · D]: query heads, then key heads, then value heads. */
export interface HeadLayout {
  batchSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

/** Who sees whom, as the native attention takes it; causal when nothing is given. */
export interface Visibility {
  start?: IntTensor;
  limit?: IntTensor;
  positions?: IntTensor;
}

export interface AttentionOptions extends HeadLayout {
  visibility: Visibility;
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

/** The native options of one attention layer. */
export function attentionSettings(options: AttentionOptions) {
  const { start, limit, positions } = options.visibility;
  return {
    scale: 1 / Math.sqrt(options.headDim),
    ...(start && limit && { start, limit }),
    ...(positions && { queryPositions: positions, keyPositions: positions }),
    ...(options.window > 0 && { window: options.window }),
    ...(options.softcap > 0 && { softcap: options.softcap }),
  };
}

/** softmax(q·kᵀ / sqrt(D)) · v for every head: qkv [B·T, (H + 2K) · D] gives [B·T, H · D]. */
export function attention(tape: Tape, qkv: Variable, options: AttentionOptions): Variable {
  const { batchSize, numHeads, headDim } = options;
  const rows = qkv.value.shape[0] as number;
  const out = tape.variable([rows, numHeads * headDim]);
  const lse = tape.arena.take([batchSize, numHeads, rows / batchSize]);
  const settings = attentionSettings(options);
  const heads = (fused: FloatTensor) =>
    [queryHeads(fused, options), keyHeads(fused, options), valueHeads(fused, options)] as const;
  const all = (matrix: FloatTensor) => headsView(matrix, options, 0, numHeads);
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
