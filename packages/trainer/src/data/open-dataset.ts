import { join } from "node:path";
import { ConversationDataset } from "./conversation-dataset.js";
import type { Manifest, Split } from "./manifest.js";
import { TokenDataset } from "./token-dataset.js";
import { Tokenizer } from "./tokenizer.js";

/** Opens a corpus of either kind. @throws CaiError as {@link TokenDataset.open} */
export function openDataset(
  dir: string,
  name: string,
  split: Split,
  manifest: Manifest,
): TokenDataset | ConversationDataset {
  const { kind } = manifest.corpora.find((corpus) => corpus.name === name) ?? { kind: "text" };
  return (kind === "text" ? TokenDataset : ConversationDataset).open(dir, name, split, manifest);
}

/** Whether all that `manifest` names is there, by header, size and tokenizer; contents are not read. */
export function isIntact(dir: string, manifest: Manifest): boolean {
  try {
    if (Tokenizer.load(join(dir, manifest.tokenizer.file)).sha256 !== manifest.tokenizer.sha256) return false;
    for (const { name } of manifest.corpora) {
      for (const split of ["train", "val"] as const) openDataset(dir, name, split, manifest).close();
    }
    return true;
  } catch {
    return false;
  }
}
