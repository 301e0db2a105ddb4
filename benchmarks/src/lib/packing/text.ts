import { join } from "node:path";
import { mails, type PlainDocument, paragraphs } from "@cai/corpora";
import { prepareCorpora, TokenDataset } from "@cai/trainer";
import { repositoryRoot } from "../paths.js";
import { quantile } from "../statistics.js";

/** Short documents of two kinds, apart and mixed, as ids of one tokenizer. */
export interface PackingText {
  /** With the corpora `mails` and `paragraphs`. */
  readonly apart: string;
  /** With the corpus `both`: so that documents are drawn alike however many of them a row takes. */
  readonly mixed: string;
  readonly tokens: { readonly train: number; readonly val: number };
}

/** Prepared once for each vocabulary; a document in twenty is for validation. */
export async function packingText(vocabSize: number): Promise<PackingText> {
  const folder = (name: string) => join(repositoryRoot, ".cache", "data", `packing-${name}-${vocabSize}`);
  const [apart, mixed] = [folder("apart"), folder("mixed")];
  const all: Record<string, PlainDocument[]> = { mails: await mails(), paragraphs: paragraphs() };
  const corpora = Object.entries(all).map(([name, documents]) => ({ name, documents: () => documents }));
  await prepareCorpora({ corpora, outDir: apart, vocabSize });
  const documents = () => Object.values(all).flat();
  const tokenizer = join(apart, "tokenizer.json");
  const { manifest } = await prepareCorpora({ corpora: [{ name: "both", documents }], outDir: mixed, tokenizer });
  const { train, val } = manifest.totals;
  return { apart, mixed, tokens: { train: train.tokens, val: val.tokens } };
}

/** Tokens of each training document of a corpus, the end of text included. */
export function lengthsOf(dir: string, corpus: string): number[] {
  const dataset = TokenDataset.open(dir, corpus, "train");
  const lengths = Array.from({ length: dataset.documents }, (_, i) => dataset.document(i).length);
  dataset.close();
  return lengths;
}

/** How long the training documents of a corpus are. */
export function documentLengths(dir: string, corpus: string, seqLen: number) {
  const lengths = lengthsOf(dir, corpus);
  const at = (share: number) => Math.round(quantile(lengths, share));
  return {
    documents: lengths.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    p10: at(0.1),
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    longest: at(1),
    cut: lengths.filter((length) => length > seqLen).length / lengths.length,
  };
}
