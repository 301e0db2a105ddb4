import { philox4x32 } from "@cai/native";
import { BatchLoader, type Recipe } from "@cai/trainer";
import { cutDocument } from "@cai/visibility-mask";

type Packing = Recipe["data"]["packing"];

/** What an epoch of one corpus comes to in rows. */
export interface Fill {
  readonly rows: number;
  /** Positions that predict a token, of all. */
  readonly usedShare: number;
  /** Tokens that are predicted, of all there are. */
  readonly coveredShare: number;
}

/** Goes through the first epoch of a corpus. */
export function fillOf(
  dir: string,
  corpus: string,
  { packing, seqLen, tokens }: { packing: Packing; seqLen: number; tokens: number },
): Fill {
  const loader = new BatchLoader({ dir, weights: { [corpus]: 1 }, packing, batchSize: 1, seqLen, seed: 1 });
  let rows = 0;
  let predicted = 0;
  while (loader.state.corpora[0]?.rows.epoch === 0) {
    predicted += loader.next().lossTokens;
    rows++;
  }
  loader.close();
  return { rows, usedShare: predicted / (rows * seqLen), coveredShare: predicted / tokens };
}

/**
 * The share of positions used where each batch of rows, one document or piece of one in each, is as wide as its longest: what
 * padding wastes at least without sorting documents by length. Pieces come in an order drawn at random.
 */
export function shareToLongest(lengths: readonly number[], seqLen: number, batchSize: number): number {
  const draw = (i: number) => philox4x32([1, 0], [i, 0, 0, 0])[0];
  const pieces = lengths.flatMap((length) => cutDocument(length, seqLen).map((piece) => piece.length));
  const drawn = pieces.map((length, i) => ({ length, key: draw(i) })).sort((a, b) => a.key - b.key);
  let [used, positions] = [0, 0];
  for (let first = 0; first < drawn.length; first += batchSize) {
    const batch = drawn.slice(first, first + batchSize).map(({ length }) => length);
    used += batch.reduce((sum, length) => sum + length, 0);
    positions += batch.length * Math.max(...batch);
  }
  return used / positions;
}
