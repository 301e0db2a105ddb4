import { VisibilityMask } from "@cai/visibility-mask";

/** What a model learns from at once: B rows of T tokens, who of them sees whom, and the loss terms over them. */
export interface MicroBatch {
  /** int32 [B · T], row after row. */
  readonly tokens: Int32Array;
  /** B and T, who sees whom, and the positions of tokens. */
  readonly mask: VisibilityMask;
  /** int32 [R]: what each term predicts; −1 carries no loss. */
  readonly targets: Int32Array;
  /** int32 [R]: which of the B · T tokens predicts each target. When absent, R = B · T, and token i predicts target i. */
  readonly rows?: Int32Array;
  /** float32 [R]: how much each term counts; 1 each when absent. */
  readonly weights?: Float32Array;
  /** Targets that are not −1. */
  readonly lossTokens: number;
  /** The summed weights of these targets. */
  readonly lossWeight: number;
}

/**
 * A micro-batch of plain rows: every token sees those before it in its row.
 *
 * @param tokens int32 [B · T]. @param targets int32 [B · T], what follows each token; −1 carries no loss.
 */
export function causalBatch(tokens: Int32Array, targets: Int32Array, seqLen: number): MicroBatch {
  const row = VisibilityMask.causal(seqLen);
  const mask = VisibilityMask.stack(Array.from({ length: tokens.length / seqLen }, () => row));
  return denseBatch(tokens, mask, targets);
}

/** A micro-batch in which token i predicts target i, or nothing where that is −1. */
export function denseBatch(tokens: Int32Array, mask: VisibilityMask, targets: Int32Array): MicroBatch {
  const lossTokens = targets.reduce((count, target) => (target < 0 ? count : count + 1), 0);
  return { tokens, mask, targets, lossTokens, lossWeight: lossTokens };
}

/**
 * A micro-batch of trees, where one token may predict several.
 *
 * @param parents int32 [B · T]: the index in its row of the token that predicts each token, −1 for none.
 * @param weights float32 [B · T]: how much the prediction of each token counts; with 0 it carries no loss.
 */
export function treeBatch(
  tokens: Int32Array,
  mask: VisibilityMask,
  parents: Int32Array,
  weights: Float32Array,
): MicroBatch {
  const { seqLen } = mask;
  const terms = Int32Array.from(tokens.keys()).filter((i) => (parents[i] as number) >= 0 && weights[i] !== 0);
  const counted = Float32Array.from(terms, (i) => weights[i] as number);
  return {
    tokens,
    mask,
    targets: terms.map((i) => tokens[i] as number),
    rows: terms.map((i) => i - (i % seqLen) + (parents[i] as number)),
    weights: counted,
    lossTokens: terms.length,
    lossWeight: counted.reduce((sum, weight) => sum + weight, 0),
  };
}

/** The rows of several micro-batches as one; all must have the same T. Token i predicts target i if it does in each. */
export function joinBatches(batches: readonly MicroBatch[]): MicroBatch {
  const isDense = batches.every(({ rows, weights }) => !rows && !weights);
  const parts = isDense ? batches : batches.map(withTerms);
  const total = (field: "lossTokens" | "lossWeight") => parts.reduce((sum, part) => sum + part[field], 0);
  const joined = {
    tokens: joinInts(parts.map(({ tokens }) => tokens)),
    mask: VisibilityMask.stack(parts.map(({ mask }) => mask)),
    targets: joinInts(parts.map(({ targets }) => targets)),
    lossTokens: total("lossTokens"),
    lossWeight: total("lossWeight"),
  };
  if (isDense) return joined;
  let before = 0;
  const rows = parts.map(({ tokens, rows }) => {
    const offset = before;
    before += tokens.length;
    return rows?.map((row) => row + offset) ?? new Int32Array(0);
  });
  const weights = Float32Array.from(parts.flatMap(({ weights }) => [...(weights ?? [])]));
  return { ...joined, rows: joinInts(rows), weights };
}

/** The same loss by named rows and weights, without the targets of −1. */
function withTerms(batch: MicroBatch): MicroBatch {
  const { targets, rows, weights } = batch;
  const terms = Int32Array.from(targets.keys()).filter((i) => (targets[i] as number) >= 0);
  return {
    ...batch,
    targets: terms.map((i) => targets[i] as number),
    rows: rows ? terms.map((i) => rows[i] as number) : terms,
    weights: Float32Array.from(terms, (i) => weights?.[i] ?? 1),
  };
}

/** Positions that hold tokens, not padding. */
export function usedPositions({ mask }: Pick<MicroBatch, "mask">): number {
  return mask.limit.reduce((count, limit) => (limit > 0 ? count + 1 : count), 0);
}

function joinInts(arrays: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}
