import { join } from "node:path";
import { CaiError } from "@cai/native";
import { readManifest, type Split } from "./manifest.js";
import { joinBatches, type MicroBatch } from "./micro-batch.js";
import { type DocumentPiece, planGroup } from "./rows/document-groups.js";
import { documentRow } from "./rows/document-row.js";
import { TokenDataset } from "./token-dataset.js";
import { Tokenizer } from "./tokenizer.js";

export interface EvalOptions {
  dir: string;
  /** Default `val`. */
  split?: Split;
  batchSize: number;
  seqLen: number;
  /** Takes about this many batches, at least one a corpus, of rows spread evenly over it. Default: all rows. */
  maxBatches?: number;
  /** Gives only the batches whose number leaves `rank` when divided by `size`; the others are not read. */
  share?: { readonly rank: number; readonly size: number };
}

export interface EvalBatch extends MicroBatch {
  readonly corpus: string;
  /** UTF-8 bytes of text that the targets stand for; an end of text has none. */
  readonly bytes: number;
}

/**
 * One pass over a split, a corpus after the other: every token is a target exactly once (never twice with `maxBatches`).
 *
 * Rows are the same however a model was trained: documents that don't see each other, each predicted from an end of text on,
 * packed by best fit; those longer than `seqLen` are cut into pieces of it, each of which begins without context but for the
 * token before it. The last batch of a corpus is padded. `bytes` of all batches add up to the bytes of the documents' text:
 * ends of text count as predictions and add their nats, but no bytes.
 *
 * @throws CaiError `E_IO` and `E_FORMAT` as {@link TokenDataset.open}; `E_ARGUMENT` for a number out of range
 */
export function* evalBatches(options: EvalOptions): Generator<EvalBatch> {
  const { dir, split = "val", batchSize, seqLen, maxBatches = Infinity, share } = options;
  for (const [name, value] of Object.entries({ batchSize, seqLen, maxBatches })) {
    if (value >= 1 && (Number.isInteger(value) || value === Infinity)) continue;
    throw new CaiError("E_ARGUMENT", "evalBatches", `${name}: expected a whole number from 1, got ${value}`);
  }
  const manifest = readManifest(dir);
  const byteLengths = tokenByteLengths(Tokenizer.load(join(dir, manifest.tokenizer.file)));
  let number = 0;
  const isOurs = () => share === undefined || number++ % share.size === share.rank;
  const { tokens: allTokens } = manifest.totals[split];
  for (const { name, splits } of manifest.corpora) {
    const { tokens } = splits[split];
    if (tokens === 0) continue;
    const batches = Math.max(1, Math.round(maxBatches * (tokens / allTokens)));
    const dataset = TokenDataset.open(dir, name, split, manifest);
    try {
      yield* corpusBatches(dataset, { batchSize, seqLen, batches, isOurs, byteLengths });
    } finally {
      dataset.close();
    }
  }
}

interface CorpusPass {
  readonly batchSize: number;
  readonly seqLen: number;
  readonly batches: number;
  /** Asked once for each batch, in order. */
  readonly isOurs: () => boolean;
  readonly byteLengths: Int32Array;
}

function* corpusBatches(dataset: TokenDataset, pass: CorpusPass): Generator<EvalBatch> {
  const { batchSize, seqLen, batches, isOurs } = pass;
  let some: (readonly DocumentPiece[])[] = [];
  for (const pieces of spreadRows(dataset, seqLen, batches * batchSize)) {
    some.push(pieces);
    if (some.length < batchSize) continue;
    if (isOurs()) yield evalBatch(dataset, some, pass);
    some = [];
  }
  if (some.length > 0 && isOurs()) yield evalBatch(dataset, some, pass);
}

/** At most `count` rows of a corpus, spread evenly over it. */
function* spreadRows(dataset: TokenDataset, seqLen: number, count: number): Generator<readonly DocumentPiece[]> {
  if (count === Infinity) return yield* allRows(dataset, seqLen);
  let total = 0;
  for (const _ of allRows(dataset, seqLen)) total++;
  const rows = Math.min(count, total);
  let [row, taken] = [0, 0];
  for (const pieces of allRows(dataset, seqLen)) {
    if (row++ < Math.floor((taken * total) / rows)) continue;
    taken++;
    yield pieces;
  }
}

function* allRows(dataset: TokenDataset, seqLen: number): Generator<readonly DocumentPiece[]> {
  const order = { documentAt: (place: number) => place, firstLength: () => seqLen };
  for (let first = 0; first < dataset.documents; ) {
    const { rows, documents } = planGroup(dataset, first, { seqLen, packing: "packed", ...order });
    yield* rows;
    first += documents;
  }
}

function evalBatch(dataset: TokenDataset, rows: readonly (readonly DocumentPiece[])[], pass: CorpusPass): EvalBatch {
  const { batchSize, seqLen, byteLengths } = pass;
  const padded = Array.from({ length: batchSize }, (_, row) => documentRow(dataset, rows[row] ?? [], seqLen));
  const batch = joinBatches(padded);
  const bytes = batch.targets.reduce((sum, id) => (id < 0 ? sum : sum + (byteLengths[id] as number)), 0);
  return { ...batch, corpus: dataset.corpus, bytes };
}

/** The bytes of text that each id stands for. */
export function tokenByteLengths(tokenizer: Tokenizer): Int32Array {
  return Int32Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.byteLength(id));
}

/** Bits per byte of text: nats · tokens / (ln 2 · bytes), `natsPerToken` being the mean over `tokens` predictions. */
export function bitsPerByte({
  natsPerToken,
  tokens,
  bytes,
}: {
  natsPerToken: number;
  tokens: number;
  bytes: number;
}): number {
  return (natsPerToken * tokens) / (Math.LN2 * bytes);
}
