import { join } from "node:path";
import { CaiError } from "@cai/native";
import { readManifest, type Split } from "./manifest.js";
import { causalRows, type MicroBatch } from "./micro-batch.js";
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
  /** UTF-8 bytes of text that these targets stand for; an end of text has none. */
  readonly bytes: number;
}

/**
 * One pass in order over a split, a corpus after the other: every token is a target exactly once (never twice with
 * `maxBatches`).
 *
 * A shard's first token is predicted from an end of text, as every other document's is; rows follow one another without
 * overlap, and the last batch of a corpus is padded with targets of -1. `bytes` of all batches add up to the bytes of
 * the documents' text: ends of text count as predictions and add their nats, but no bytes.
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
  const allBatches = (tokens: number) => Math.ceil(tokens / seqLen / batchSize);
  let number = 0;
  const isOurs = () => share === undefined || number++ % share.size === share.rank;
  const total = manifest.corpora.reduce((sum, { splits }) => sum + allBatches(splits[split].tokens), 0);
  for (const { name, splits } of manifest.corpora) {
    const { tokens } = splits[split];
    if (tokens === 0) continue;
    const some = Math.max(1, Math.round((maxBatches * allBatches(tokens)) / total));
    const dataset = TokenDataset.open(dir, name, split, manifest);
    try {
      const batches = Math.min(some, allBatches(tokens));
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
  const { batchSize, seqLen, batches, isOurs, byteLengths } = pass;
  const allRows = Math.ceil(dataset.tokens / seqLen);
  const rows = Math.min(allRows, batches * batchSize);
  for (let first = 0; first < rows; first += batchSize) {
    if (!isOurs()) continue;
    const tokens = new Int32Array(batchSize * seqLen).fill(dataset.endOfText);
    const targets = new Int32Array(batchSize * seqLen).fill(-1);
    let lossTokens = 0;
    let bytes = 0;
    for (let row = 0; row < Math.min(batchSize, rows - first); row++) {
      const start = Math.floor(((first + row) * allRows) / rows) * seqLen;
      const length = Math.min(seqLen, dataset.tokens - start);
      const at = row * seqLen;
      dataset.read(start, length, targets, at);
      tokens.set(targets.subarray(at, at + length - 1), at + 1);
      if (start > 0) dataset.read(start - 1, 1, tokens, at);
      lossTokens += length;
      for (let i = at; i < at + length; i++) bytes += byteLengths[targets[i] as number] as number;
    }
    const mask = causalRows(batchSize, seqLen);
    yield { corpus: dataset.corpus, tokens, mask, targets, lossTokens, lossWeight: lossTokens, bytes };
  }
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
