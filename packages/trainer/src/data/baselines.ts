import { join } from "node:path";
import { bitsPerByte } from "./eval-batches.js";
import { InterpolatedBigram } from "./interpolated-bigram.js";
import { type Manifest, readManifest, type Split } from "./manifest.js";
import { TokenDataset } from "./token-dataset.js";
import { Tokenizer } from "./tokenizer.js";

export interface BaselineReport {
  /** Mean over the validation split's tokens, ends of text included. */
  readonly natsPerToken: number;
  readonly bitsPerByte: number;
  /** D, fitted on a held-out part of the training split. */
  readonly discount: number;
  readonly tokens: number;
  /** UTF-8 bytes of the validation split's text. */
  readonly bytes: number;
}

export interface Baselines {
  /** {@link InterpolatedBigram} over the tokens. */
  readonly tokenBigram: BaselineReport;
  /** {@link InterpolatedBigram} over the text's bytes, with the end of text as a 257th symbol. */
  readonly byteBigram: BaselineReport;
}

/** Every so many documents of the training split one is held out while the discount is fitted, then counted too. */
const heldOutEvery = 20;

/** Held-out pairs used for the fit at most. */
const longestFit = 1 << 20;

/**
 * What bigram models know of the validation split: the least that a language model must beat.
 *
 * Both are counted on the whole training split, over the same stream that {@link evalBatches} gives: a document's first
 * token follows an end of text. The discounts are fitted on every twentieth training document while it is not yet
 * counted; validation documents are read only for the final figures. Nats include the ends of text, bytes do not.
 * Conversations are left out.
 *
 * @param dir a directory that {@link prepareCorpora} wrote, with documents in its validation split
 * @param onChunk called every so many tokens: it takes minutes for a large directory.
 * @throws CaiError `E_IO` and `E_FORMAT` as {@link TokenDataset.open}
 */
export function bigramBaselines(dir: string, onChunk: () => void = () => {}): Baselines {
  const manifest = readManifest(dir);
  const tokenizer = Tokenizer.load(join(dir, manifest.tokenizer.file));
  const pairs: Scan = (split, visit) => forEachPair({ dir, manifest, onChunk }, split, visit);
  const bytePairs: Scan = (split, visit) => forEachBytePair(pairs, tokenizer, split, visit);
  return {
    tokenBigram: measure(tokenizer.vocabSize, pairs, manifest),
    byteBigram: measure(257, bytePairs, manifest),
  };
}

type Visit = (context: number, symbol: number, document: number) => void;
type Scan = (split: Split, visit: Visit) => void;

function measure(symbols: number, scan: Scan, manifest: Manifest): BaselineReport {
  const model = new InterpolatedBigram(symbols);
  const isHeldOut = (document: number) => document % heldOutEvery === heldOutEvery - 1;
  const held: number[] = [];
  scan("train", (context, symbol, document) => {
    if (!isHeldOut(document)) model.add(context, symbol);
    else if (held.length < 2 * longestFit) held.push(context, symbol);
  });
  model.fitDiscount(held);
  scan("train", (context, symbol, document) => {
    if (isHeldOut(document)) model.add(context, symbol);
  });
  let nats = 0;
  scan("val", (context, symbol) => {
    nats -= Math.log(model.probability(context, symbol));
  });
  const { tokens, bytes } = textTotals(manifest);
  const natsPerToken = nats / tokens;
  return {
    natsPerToken,
    bitsPerByte: bitsPerByte({ natsPerToken, tokens, bytes }),
    discount: model.discount,
    tokens,
    bytes,
  };
}

/** Conversations are predicted in parts only, which no count over a stream can be held against. */
function textTotals({ corpora }: Manifest): { tokens: number; bytes: number } {
  const vals = corpora.filter(({ kind }) => kind === "text").map(({ splits }) => splits.val);
  const sum = (field: "tokens" | "bytes") => vals.reduce((total, val) => total + val[field], 0);
  return { tokens: sum("tokens"), bytes: sum("bytes") };
}

const chunkTokens = 1 << 16;

interface PreparedText {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly onChunk: () => void;
}

/** Every token of a split's documents with the one before it; documents are counted through all corpora. */
function forEachPair({ dir, manifest, onChunk }: PreparedText, split: Split, visit: Visit): void {
  const { endOfText } = manifest.tokenizer;
  const chunk = new Int32Array(chunkTokens);
  let document = 0;
  for (const { name, kind } of manifest.corpora) {
    if (kind !== "text") continue;
    const dataset = TokenDataset.open(dir, name, split, manifest);
    let context = endOfText;
    try {
      for (let at = 0; at < dataset.tokens; at += chunkTokens) {
        const length = Math.min(chunkTokens, dataset.tokens - at);
        onChunk();
        dataset.read(at, length, chunk);
        for (let i = 0; i < length; i++) {
          const id = chunk[i] as number;
          visit(context, id, document);
          if (id === endOfText) document++;
          context = id;
        }
      }
    } finally {
      dataset.close();
    }
  }
}

const byteEnd = 256;

/** As {@link forEachPair} over the bytes that the tokens stand for, which are those of the text. */
function forEachBytePair(pairs: Scan, tokenizer: Tokenizer, split: Split, visit: Visit): void {
  const spellings = Array.from({ length: tokenizer.vocabSize }, (_, id) =>
    id === tokenizer.endOfText ? [byteEnd] : Array.from(tokenizer.bytes(id)),
  );
  let context = byteEnd;
  pairs(split, (_, id, document) => {
    for (const symbol of spellings[id] as number[]) {
      visit(context, symbol, document);
      context = symbol;
    }
  });
}
