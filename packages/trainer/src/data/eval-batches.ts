import { join } from "node:path";
import { CaiError } from "@cai/native";
import { VisibilityMask } from "@cai/visibility-mask";
import { ConversationDataset } from "./conversation-dataset.js";
import { readManifest, type Split } from "./manifest.js";
import { denseBatch, joinBatches, type MicroBatch } from "./micro-batch.js";
import { openDataset } from "./open-dataset.js";
import { planGroup } from "./rows/document-groups.js";
import { documentRow } from "./rows/document-row.js";
import { planTrees, treeRow } from "./rows/tree-rows.js";
import type { TokenDataset } from "./token-dataset.js";
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
 * token before it. Of conversations the tokens to be learned are targets, each once however many conversations go through it,
 * packed as trees. The last batch of a corpus is padded. `bytes` of all batches of documents add up to the bytes of their text:
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
    const dataset = openDataset(dir, name, split, manifest);
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

type Dataset = TokenDataset | ConversationDataset;

/** A row that is not yet made. */
type Row = () => MicroBatch;

function* corpusBatches(dataset: Dataset, pass: CorpusPass): Generator<EvalBatch> {
  const { batchSize, seqLen, batches, isOurs } = pass;
  let some: Row[] = [];
  for (const row of spreadRows(dataset, seqLen, batches * batchSize)) {
    some.push(row);
    if (some.length < batchSize) continue;
    if (isOurs()) yield evalBatch(dataset, some, pass);
    some = [];
  }
  if (some.length > 0 && isOurs()) yield evalBatch(dataset, some, pass);
}

/** At most `count` rows of a corpus, spread evenly over it. */
function* spreadRows(dataset: Dataset, seqLen: number, count: number): Generator<Row> {
  if (count === Infinity) return yield* allRows(dataset, seqLen);
  let total = 0;
  for (const _ of allRows(dataset, seqLen)) total++;
  const rows = Math.min(count, total);
  let [index, taken] = [0, 0];
  for (const row of allRows(dataset, seqLen)) {
    if (index++ < Math.floor((taken * total) / rows)) continue;
    taken++;
    yield row;
  }
}

function allRows(dataset: Dataset, seqLen: number): Generator<Row> {
  return dataset instanceof ConversationDataset ? treeRows(dataset, seqLen) : documentRows(dataset, seqLen);
}

function* documentRows(dataset: TokenDataset, seqLen: number): Generator<Row> {
  const order = { documentAt: (place: number) => place, firstLength: () => seqLen };
  for (let first = 0; first < dataset.documents; ) {
    const { rows, items } = planGroup(dataset, first, { seqLen, packing: "packed", ...order });
    for (const pieces of rows) yield () => documentRow(dataset, pieces, seqLen);
    first += items;
  }
}

/** Trees are not merged with each other: what would then be one token to predict counts in each. */
function* treeRows(dataset: ConversationDataset, seqLen: number): Generator<Row> {
  const options = { seqLen, merge: "none", weighting: "sharedOnce" } as const;
  for (let first = 0; first < dataset.trees; ) {
    const { rows, items } = planTrees(dataset, first, (place) => place, options);
    for (const row of rows) yield () => treeRow(row);
    first += items;
  }
}

function evalBatch({ corpus }: Dataset, rows: readonly Row[], pass: CorpusPass): EvalBatch {
  const { batchSize, seqLen, byteLengths } = pass;
  const batch = joinBatches(Array.from({ length: batchSize }, (_, row) => rows[row]?.() ?? padding(seqLen)));
  const bytes = batch.targets.reduce((sum, id) => (id < 0 ? sum : sum + (byteLengths[id] as number)), 0);
  return { ...batch, corpus, bytes };
}

function padding(seqLen: number): MicroBatch {
  return denseBatch(new Int32Array(seqLen), VisibilityMask.padding(seqLen), new Int32Array(seqLen).fill(-1));
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
