import { philox4x32 } from "@cai/native";
import type { TokenDataset } from "../token-dataset.js";
import { type DocumentPacking, type DocumentPiece, planGroup } from "./document-groups.js";
import { documentRow } from "./document-row.js";
import { GroupedRows } from "./grouped-rows.js";
import type { RowOptions } from "./row-source.js";

// The permutation's counters have a round's number, which is small, in the second word.
const firstPiece = 0xfffffffe;

/**
 * Rows of documents that don't see each other, packed or one piece a row; see {@link documentRow} and {@link GroupedRows}.
 *
 * Documents longer than a row are cut, the first piece having a length drawn anew from 1 to seqLen, so that cuts move from
 * epoch to epoch. Every token of the corpus is a target exactly once an epoch.
 *
 * @throws CaiError `E_CONFIG` for a corpus without documents, or a state that cannot be.
 */
export function documentRows(
  dataset: TokenDataset,
  packing: DocumentPacking,
  options: RowOptions,
): GroupedRows<readonly DocumentPiece[]> {
  const { seqLen, key, number } = options;
  const { corpus, split, documents } = dataset;
  return new GroupedRows(
    {
      corpus,
      split,
      called: "documents",
      items: documents,
      plan: (first, epoch, documentAt) => {
        const firstLength = (document: number) =>
          1 + (philox4x32(key, [document, firstPiece, number, epoch])[0] % seqLen);
        return planGroup(dataset, first, { seqLen, packing, documentAt, firstLength });
      },
      batchOf: (pieces) => documentRow(dataset, pieces, seqLen),
      close: () => dataset.close(),
    },
    options,
  );
}
