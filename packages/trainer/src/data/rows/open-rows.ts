import { ConversationDataset } from "../conversation-dataset.js";
import type { TokenDataset } from "../token-dataset.js";
import { DocumentRows } from "./document-rows.js";
import type { RowOptions, RowSource } from "./row-source.js";
import { StreamRows } from "./stream-rows.js";
import { type TreePacking, TreeRows } from "./tree-rows.js";

/**
 * How the text of a corpus comes into rows: `packed`, documents that don't see each other, as many to a row as fit;
 * `padded`, one document or piece of it a row; `stream`, windows over all documents, which see each other.
 */
export type Packing = "packed" | "padded" | "stream";

/** The rows of a corpus, which close it; it is closed too when there are none. @throws CaiError `E_CONFIG`. */
export function openRows(
  dataset: TokenDataset | ConversationDataset,
  { packing, conversations }: { readonly packing: Packing; readonly conversations: TreePacking },
  options: RowOptions,
): RowSource {
  try {
    if (dataset instanceof ConversationDataset) return new TreeRows(dataset, conversations, options);
    return packing === "stream" ? new StreamRows(dataset, options) : new DocumentRows(dataset, packing, options);
  } catch (error) {
    dataset.close();
    throw error;
  }
}
