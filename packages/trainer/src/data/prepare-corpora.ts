import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { writeFileAtomically } from "./atomic-file.js";
import { type CorpusInput, documentsOf, fingerprintOf } from "./fingerprint.js";
import { type Manifest, manifestName, readManifest, type Split, tokenizerName, writeManifest } from "./manifest.js";
import { PrepareProgress, type PrepareProgressEvent } from "./prepare-progress.js";
import { ShardWriter } from "./shard-writer.js";
import { isIntact } from "./token-dataset.js";
import { Tokenizer } from "./tokenizer.js";
import { formatTokenizerJson } from "./tokenizer-json.js";
import { PreTokenCounts, trainBpe } from "./train-bpe.js";
import { wellFormed } from "./utf8.js";

export interface PrepareOptions {
  corpora: readonly CorpusInput[];
  /** Made when it is not there. One preparation at a time may write to it. */
  outDir: string;
  /** Ids of the tokenizer to train, 257 to 2^20. Default 4096. */
  vocabSize?: number;
  /** The path of a tokenizer.json to use instead of training one. */
  tokenizer?: string;
  /** Share of the documents that go to the validation split, 0 to below 1. Default 0.05. */
  valFraction?: number;
  /** Bytes of text that the tokenizer is trained on at most, shared evenly by the corpora. Default 128 MiB. */
  tokenizerSampleBytes?: number;
  onProgress?: (event: PrepareProgressEvent) => void;
  /** Stops between two documents and leaves what was there before. */
  signal?: AbortSignal;
}

export interface Prepared {
  readonly manifest: Manifest;
  /** Whether an earlier preparation of the same inputs was found whole and nothing was written. */
  readonly reused: boolean;
}

/**
 * Prepares corpora for training: trains a tokenizer on the training split, or takes one, and writes every document's
 * ids, each followed by an end of text, to one shard a corpus and split, with an index of documents; the manifest last.
 *
 * A document goes to the validation split when the SHA-256 of its text, read as a fraction, is below `valFraction`:
 * whatever the order, its file and the other documents, and copies of one text go to the same split. Memory holds a
 * document at a time and the distinct pre-tokens of the sample. Shards carry the fingerprint of the inputs in their
 * names, so a rebuild does not touch the ones in use until its manifest is in place.
 *
 * @throws CaiError as {@link readDocuments}; `E_ARGUMENT` for options out of range, a corpus without documents for
 *   training, or no document for validation though some are asked for
 */
export async function prepareCorpora(options: PrepareOptions): Promise<Prepared> {
  checkOptions(options);
  const { corpora, outDir, valFraction = 0.05, vocabSize = 4096, tokenizerSampleBytes = 1 << 27 } = options;
  const given = options.tokenizer === undefined ? undefined : Tokenizer.load(options.tokenizer);
  const progress = new PrepareProgress(options.onProgress, options.signal);
  const settings = { vocabSize: given?.vocabSize ?? vocabSize, valFraction, tokenizerSampleBytes };
  const identity = { ...settings, tokenizer: given?.sha256 ?? null };
  const fingerprint = await fingerprintOf(corpora, identity, (corpus, bytes) => progress.add("hash", corpus, bytes));
  const previous = readPrevious(outDir);
  if (previous?.fingerprint === fingerprint && isIntact(outDir, previous)) return { manifest: previous, reused: true };

  mkdirSync(outDir, { recursive: true });
  removeLeftovers(outDir, previous);
  const json = options.tokenizer
    ? readFileSync(options.tokenizer, "utf8")
    : await trainTokenizer(corpora, settings, progress);
  const tokenizer = new Tokenizer(json, options.tokenizer);
  const written = await writeShards(corpora, outDir, fingerprint, tokenizer, valFraction, progress);
  const manifest: Manifest = {
    format: "cai-prepared",
    version: 1,
    fingerprint,
    tokenizer: {
      file: tokenizerName,
      sha256: tokenizer.sha256,
      vocabSize: tokenizer.vocabSize,
      endOfText: tokenizer.endOfText,
    },
    options: settings,
    corpora: written,
    totals: { train: sumOf(written, "train"), val: sumOf(written, "val") },
  };
  writeFileAtomically(join(outDir, tokenizerName), json);
  writeManifest(outDir, manifest);
  if (previous) removeReplaced(outDir, previous, manifest);
  return { manifest, reused: false };
}

/** The split that a document belongs to, by its text alone. */
export function splitOf(text: string, valFraction: number): Split {
  const digest = createHash("sha256").update(wellFormed(text)).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48 < valFraction ? "val" : "train";
}

async function trainTokenizer(
  corpora: readonly CorpusInput[],
  settings: Manifest["options"],
  progress: PrepareProgress,
): Promise<string> {
  const counts = new PreTokenCounts();
  for (const corpus of corpora) {
    let budget = settings.tokenizerSampleBytes / corpora.length;
    for await (const { text } of documentsOf(corpus)) {
      if (budget <= 0) break;
      if (splitOf(text, settings.valFraction) === "val") continue;
      const bytes = Buffer.byteLength(text, "utf8");
      counts.add(text);
      budget -= bytes;
      progress.add("tokenizer", corpus.name, bytes);
    }
  }
  return formatTokenizerJson(trainBpe(counts, { vocabSize: settings.vocabSize }));
}

async function writeShards(
  corpora: readonly CorpusInput[],
  outDir: string,
  fingerprint: string,
  tokenizer: Tokenizer,
  valFraction: number,
  progress: PrepareProgress,
): Promise<Manifest["corpora"]> {
  const writers: { name: string; train: ShardWriter; val: ShardWriter }[] = [];
  try {
    for (const corpus of corpora) {
      const stem = (split: Split) => join(outDir, `${corpus.name}-${split}-${fingerprint.slice(0, 12)}`);
      const writer = {
        name: corpus.name,
        train: new ShardWriter(stem("train"), tokenizer),
        val: new ShardWriter(stem("val"), tokenizer),
      };
      writers.push(writer);
      for await (const { text } of documentsOf(corpus)) {
        if (text === "") continue;
        const ids = tokenizer.encode(text);
        const bytes = Buffer.byteLength(text, "utf8");
        writer[splitOf(text, valFraction)].add(ids, bytes);
        progress.add("encode", corpus.name, bytes, ids.length + 1);
      }
    }
    checkSplits(writers, valFraction);
    progress.finish();
    return writers.map(({ name, train, val }) => ({
      name,
      splits: { train: { ...train.totals, ...train.commit() }, val: { ...val.totals, ...val.commit() } },
    }));
  } finally {
    // Nothing is left of a writer that has committed.
    for (const { train, val } of writers) {
      train.discard();
      val.discard();
    }
  }
}

function checkSplits(
  writers: readonly { name: string; train: ShardWriter; val: ShardWriter }[],
  valFraction: number,
): void {
  for (const { name, train, val } of writers) {
    if (train.totals.documents > 0) continue;
    refuse(
      `corpus ${name}: expected documents for training, got none (${val.totals.documents} for validation). ` +
        "Cut the text into more documents (split), or lower valFraction.",
    );
  }
  if (valFraction === 0 || writers.some(({ val }) => val.totals.documents > 0)) return;
  const documents = writers.reduce((sum, { train }) => sum + train.totals.documents, 0);
  refuse(
    `no document of ${documents} fell to the validation split of ${valFraction}: raise valFraction, cut the text into ` +
      "more documents (split), or set valFraction to 0 for none",
  );
}

function checkOptions({
  corpora,
  vocabSize = 4096,
  valFraction = 0.05,
  tokenizerSampleBytes = 1,
}: PrepareOptions): void {
  if (corpora.length === 0) refuse("corpora: expected at least one, got none");
  corpora.forEach(({ name, path, documents }, i) => {
    if (!/^\w[\w.-]*$/.test(name))
      refuse(`corpora: expected a name of letters, digits, "_", "." and "-", got ${JSON.stringify(name)}`);
    if (corpora.findIndex((other) => other.name === name) !== i)
      refuse(`corpora: expected each name once, got ${name} twice`);
    if ((path === undefined) === (documents === undefined)) refuse(`corpus ${name}: expected either path or documents`);
  });
  if (!Number.isInteger(vocabSize) || vocabSize < 257 || vocabSize > 1 << 20) {
    refuse(`vocabSize: expected 257 to ${1 << 20}, got ${vocabSize}`);
  }
  if (!(valFraction >= 0 && valFraction < 1)) refuse(`valFraction: expected 0 to below 1, got ${valFraction}`);
  if (!Number.isSafeInteger(tokenizerSampleBytes) || tokenizerSampleBytes < 1) {
    refuse(`tokenizerSampleBytes: expected a whole number from 1, got ${tokenizerSampleBytes}`);
  }
}

function readPrevious(outDir: string): Manifest | undefined {
  try {
    return readManifest(outDir);
  } catch {
    return undefined;
  }
}

function sumOf(corpora: Manifest["corpora"], split: Split): Manifest["totals"][Split] {
  const sum = { tokens: 0, documents: 0, bytes: 0 };
  for (const { splits } of corpora) {
    sum.tokens += splits[split].tokens;
    sum.documents += splits[split].documents;
    sum.bytes += splits[split].bytes;
  }
  return sum;
}

function filesOf(manifest: Manifest): string[] {
  return manifest.corpora.flatMap(({ splits }) =>
    [splits.train, splits.val].flatMap(({ shard, index }) => [shard.file, index.file]),
  );
}

function removeReplaced(outDir: string, previous: Manifest, current: Manifest): void {
  const kept = new Set([manifestName, tokenizerName, ...filesOf(current)]);
  for (const file of filesOf(previous)) {
    if (!kept.has(file)) rmSync(join(outDir, file), { force: true });
  }
}

/** Removes what preparations that were killed have left: shards of no manifest, temporary files of dead processes. */
function removeLeftovers(outDir: string, previous: Manifest | undefined): void {
  const kept = new Set(previous ? filesOf(previous) : []);
  for (const name of readdirSync(outDir)) {
    const pid = /\.(\d+)-[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
    const isShard = /-(train|val)-[0-9a-f]{12}\.(tokens|index)$/.test(name);
    const isLeft = pid === undefined ? isShard && !kept.has(name) : !isAlive(Number(pid));
    if (isLeft) rmSync(join(outDir, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function refuse(message: string): never {
  throw new CaiError("E_ARGUMENT", "prepareCorpora", message);
}
