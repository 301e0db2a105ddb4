import { join } from "node:path";
import { CaiError } from "@cai/native";
import { VisibilityMask } from "@cai/visibility-mask";
import type { ConversationDataset } from "./conversation-dataset.js";
import { readManifest, type Split } from "./manifest.js";
import { denseBatch, joinBatches, type MicroBatch } from "./micro-batch.js";
import { openDataset } from "./open-dataset.js";
import { planGroup } from "./rows/document-groups.js";
import { documentRow } from "./rows/document-row.js";
import { planTrees, treeRow } from "./rows/tree-groups.js";
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
 * One pass over a split, a corpus after the other: every token of its documents is a target
 * exactly once (never twice with `maxBatches`).
 *
 * Rows are the same however a model was trained: documents that don't see each other, each predicted from an end of text on,
 * packed by best fit; those longer than `seqLen` are cut into pieces of it, each of which begins without context but for the
 * token before it. The last batch of a corpus is padded. `bytes` of all batches add up to the bytes of the documents' text:
 * ends of text count as predictions and add their nats, but no bytes.
 *
 * Of conversations the turns to be learned are targets, each once, however many conversations go through it; trees are merged,
 * packed and cut as for training.
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
    const dataset = openDataset(dir, name, split, manifest);
    const rows = () => (dataset instanceof TokenDataset ? documentRows(dataset, seqLen) : treeRows(dataset, seqLen));
    try {
      yield* corpusBatches(rows, { corpus: name, batchSize, seqLen, batches, isOurs, byteLengths });
    } finally {
      dataset.close();
    }
  }
}

/** Makes a row, which costs more than to know that it is there. */
type Row = () => MicroBatch;

interface CorpusPass {
  readonly corpus: string;
  readonly batchSize: number;
  readonly seqLen: number;
  readonly batches: number;
  /** Asked once for each batch, in order. */
  readonly isOurs: () => boolean;
  readonly byteLengths: Int32Array;
}

function* corpusBatches(allRows: () => Iterable<Row>, pass: CorpusPass): Generator<EvalBatch> {
  const { batchSize, batches, isOurs } = pass;
  let some: Row[] = [];
  for (const row of spreadRows(allRows, batches * batchSize)) {
    some.push(row);
    if (some.length < batchSize) continue;
    if (isOurs()) yield evalBatch(some, pass);
    some = [];
  }
  if (some.length > 0 && isOurs()) yield evalBatch(some, pass);
}

/** At most `count` rows of a corpus, spread evenly over it. */
function* spreadRows(allRows: () => Iterable<Row>, count: number): Generator<Row> {
  if (count === Infinity) return yield* allRows();
  let total = 0;
  for (const _ of allRows()) total++;
  const rows = Math.min(count, total);
  let [number, taken] = [0, 0];
  for (const row of allRows()) {
    if (number++ < Math.floor((taken * total) / rows)) continue;
    taken++;
    yield row;
  }
}

function* documentRows(dataset: TokenDataset, seqLen: number): Generator<Row> {
  const order = { documentAt: (place: number) => place, firstLength: () => seqLen };
  for (let first = 0; first < dataset.documents; ) {
    const { rows, items } = planGroup(dataset, first, { seqLen, packing: "packed", ...order });
    for (const pieces of rows) yield () => documentRow(dataset, pieces, seqLen);
    first += items;
  }
}

function* treeRows(dataset: ConversationDataset, seqLen: number): Generator<Row> {
  const once = { packing: "given", weighting: "sharedOnce", treeAt: (place: number) => place } as const;
  for (let first = 0; first < dataset.trees; ) {
    const { rows, items } = planTrees(dataset, first, { seqLen, ...once });
    for (const row of rows) yield () => treeRow(row);
    first += items;
  }
}

function evalBatch(rows: readonly Row[], { corpus, batchSize, seqLen, byteLengths }: CorpusPass): EvalBatch {
  const padding = denseBatch(new Int32Array(seqLen), VisibilityMask.padding(seqLen), new Int32Array(seqLen).fill(-1));
  const batch = joinBatches(Array.from({ length: batchSize }, (_, row) => rows[row]?.() ?? padding));
  const bytes = batch.targets.reduce((sum, id) => (id < 0 ? sum : sum + (byteLengths[id] as number)), 0);
  return { ...batch, corpus, bytes };
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
