import { ConversationDataset } from "../conversation-dataset.js";
import type { Manifest, Split } from "../manifest.js";
import { openDataset } from "../open-dataset.js";
import { documentRows } from "./document-rows.js";
import type { RowOptions, RowSource } from "./row-source.js";
import { StreamRows } from "./stream-rows.js";
import type { TreePacking } from "./tree-groups.js";
import { treeRows } from "./tree-rows.js";

/**
 * How the text of a corpus comes into rows: `packed`, documents that don't see each other, as many to a row as fit;
 * `padded`, one document or piece of it a row; `stream`, windows over all documents, which see each other.
 */
export type Packing = "packed" | "padded" | "stream";

/** Where a corpus is, and how it is to come into rows, by its kind. */
export interface CorpusRows {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly name: string;
  readonly split: Split;
  readonly packing: Packing;
  readonly conversations: TreePacking;
}

/** The rows of a corpus. @throws CaiError as {@link TokenDataset.open}; `E_CONFIG` where there are none. */
export function openRows(corpus: CorpusRows, options: RowOptions): RowSource {
  const { dir, manifest, name, split, packing, conversations } = corpus;
  const dataset = openDataset(dir, name, split, manifest);
  try {
    if (dataset instanceof ConversationDataset) return treeRows(dataset, conversations, options);
    return packing === "stream" ? new StreamRows(dataset, options) : documentRows(dataset, packing, options);
  } catch (error) {
    dataset.close();
    throw error;
  }
}
