import { join } from "node:path";
import { prepareCorpora } from "@cai/trainer";
import { repositoryRoot } from "./paths.js";

/** A directory of tokens to learn from, and what is in it. */
export interface RealText {
  readonly dir: string;
  readonly tokens: { readonly train: number; readonly val: number };
}

/** One document a file: a speech, a chapter. Files without an underscore repeat whole books. */
const corpora = { sotu: "datasets-sotu", "moby-dick": "datasets-moby-dick" };

/**
 * The text that npm brings (presidents' speeches and Moby Dick, 12 MB), as ids of a tokenizer trained on it; a document
 * in twenty is for validation. Prepared once for each vocabulary.
 */
export async function realText(vocabSize: number): Promise<RealText> {
  const dir = join(repositoryRoot, ".cache", "data", `text-${vocabSize}`);
  const { manifest } = await prepareCorpora({
    corpora: Object.entries(corpora).map(([name, folder]) => {
      const path = join(repositoryRoot, "node_modules", "@stdlib", folder, "data");
      return { name, path, include: "*_*.txt" };
    }),
    outDir: dir,
    vocabSize,
  });
  const { train, val } = manifest.totals;
  return { dir, tokens: { train: train.tokens, val: val.tokens } };
}
