import type { PackedRow } from "@cai/visibility-mask";
import type { ConversationDataset } from "../conversation-dataset.js";
import { GroupedRows } from "./grouped-rows.js";
import type { RowOptions } from "./row-source.js";
import { planTrees, type TreePacking, treeRow } from "./tree-groups.js";

/**
 * Rows of conversation trees that don't see each other, the loss on the turns that are to be learned; see {@link GroupedRows}.
 * Conversations longer than a row are cut.
 *
 * @throws CaiError `E_CONFIG` for a corpus without conversations, or a state that cannot be.
 */
export function treeRows(
  dataset: ConversationDataset,
  packing: TreePacking,
  options: RowOptions,
): GroupedRows<PackedRow> {
  const { seqLen } = options;
  const { corpus, split, trees } = dataset;
  return new GroupedRows(
    {
      corpus,
      split,
      called: "conversation trees",
      items: trees,
      plan: (first, _epoch, treeAt) => planTrees(dataset, first, { seqLen, packing, treeAt }),
      batchOf: treeRow,
      close: () => dataset.close(),
    },
    options,
  );
}
