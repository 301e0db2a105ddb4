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
  const lossTokens = targets.reduce((count, target) => (target < 0 ? count : count + 1), 0);
  return { tokens, targets, mask: causalRows(tokens.length / seqLen, seqLen), lossTokens, lossWeight: lossTokens };
}

/** B rows in which every token sees itself and those before it. */
export function causalRows(batchSize: number, seqLen: number): VisibilityMask {
  return new VisibilityMask({
    start: Int32Array.from({ length: batchSize * seqLen }, (_, i) => i % seqLen),
    limit: new Int32Array(batchSize * seqLen).fill(seqLen),
    batchSize,
  });
}
