import { BatchLoader, type Recipe } from "@cai/trainer";

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
