import { VisibilityMask } from "@cai/visibility-mask";
import { denseBatch, type MicroBatch } from "../micro-batch.js";
import type { TokenDataset } from "../token-dataset.js";
import type { DocumentPiece } from "./document-groups.js";

/**
 * A row of pieces of documents that don't see each other, each causal in itself and with positions from 0; what they leave
 * of it is padding.
 *
 * Of a document t1 … tn the inputs are end of text, t1 … tn and the targets t1 … tn, end of text: a document is begun
 * from an end of text and ended by one. A piece from further inside begins with the token before it.
 */
export function documentRow(dataset: TokenDataset, pieces: readonly DocumentPiece[], seqLen: number): MicroBatch {
  const tokens = new Int32Array(seqLen).fill(dataset.endOfText);
  const targets = new Int32Array(seqLen).fill(-1);
  let at = 0;
  for (const { start, isFirst, length } of pieces) {
    const text = new Int32Array(length + 1).fill(dataset.endOfText, 0, 1);
    if (isFirst) dataset.read(start, length, text, 1);
    else dataset.read(start - 1, length + 1, text);
    tokens.set(text.subarray(0, length), at);
    targets.set(text.subarray(1), at);
    at += length;
  }
  const lengths = pieces.map(({ length }) => length);
  return denseBatch(tokens, VisibilityMask.packed(lengths, { seqLen }), targets);
}
