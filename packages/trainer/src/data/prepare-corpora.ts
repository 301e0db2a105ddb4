import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { type ChatRole, type ChatTemplate, chatTemplates } from "@cai/visibility-mask";
import { writeFileAtomically } from "./atomic-file.js";
import { type CorpusInput, conversationsOf, documentsOf, sourceOf } from "./corpus-input.js";
import { fingerprintOf } from "./fingerprint.js";
import {
  type ChatForm,
  type Manifest,
  manifestName,
  readManifest,
  type Split,
  tokenizerName,
  writeManifest,
} from "./manifest.js";
import { isIntact } from "./open-dataset.js";
import { PrepareProgress, type PrepareProgressEvent } from "./prepare-progress.js";
import { Tokenizer } from "./tokenizer.js";
import { formatTokenizerJson } from "./tokenizer-json.js";
import { endOfTextToken, PreTokenCounts, trainBpe } from "./train-bpe.js";
import { splitOf, splitOfTree, writeCorpora } from "./write-corpora.js";

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
  /** How conversations are spelled: `chatTemplates.plain` when absent. A tokenizer trained here gets its special tokens. */
  template?: ChatTemplate;
  /** Whose turns of conversations are learned. Default the assistant's. */
  lossRoles?: readonly ChatRole[];
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
 * ids, each followed by an end of text, to one shard a corpus and split, with an index of documents; conversations as
 * their template spells them, with files that tell the trees; the manifest last.
 *
 * A document goes to the validation split when the SHA-256 of its text, read as a fraction, is below `valFraction`:
 * whatever the order, its file and the other documents, and copies of one text go to the same split. Of a conversation
 * the text of the first turn that is not the system's decides. Memory holds a document at a time and the distinct pre-tokens of the sample. Shards carry the fingerprint of the inputs in their
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
  const chat: ChatForm = {
    template: options.template ?? chatTemplates.plain,
    lossRoles: [...(options.lossRoles ?? (["assistant"] as const))],
  };
  const chatOrNone = corpora.some(({ kind }) => kind === "conversations") && { chat };
  const identity = { ...settings, tokenizer: given?.sha256 ?? null, ...chatOrNone };
  const fingerprint = await fingerprintOf(corpora, identity, (corpus, bytes) => progress.add("hash", corpus, bytes));
  const previous = readPrevious(outDir);
  if (previous?.fingerprint === fingerprint && isIntact(outDir, previous)) return { manifest: previous, reused: true };

  mkdirSync(outDir, { recursive: true });
  removeLeftovers(outDir, previous);
  const json = options.tokenizer
    ? readFileSync(options.tokenizer, "utf8")
    : await trainTokenizer(corpora, settings, specialTokensOf(chatOrNone ? chat.template : undefined), progress);
  const tokenizer = new Tokenizer(json, options.tokenizer);
  const written = await writeCorpora(corpora, { outDir, fingerprint, tokenizer, chat, valFraction, progress });
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
    ...chatOrNone,
    corpora: written,
    totals: { train: sumOf(written, "train"), val: sumOf(written, "val") },
  };
  writeFileAtomically(join(outDir, tokenizerName), json);
  writeManifest(outDir, manifest);
  if (previous) removeReplaced(outDir, previous, manifest);
  return { manifest, reused: false };
}

async function trainTokenizer(
  corpora: readonly CorpusInput[],
  settings: Manifest["options"],
  specialTokens: readonly string[],
  progress: PrepareProgress,
): Promise<string> {
  const counts = new PreTokenCounts();
  for (const corpus of corpora) {
    let budget = settings.tokenizerSampleBytes / corpora.length;
    for await (const { text, split } of textsOf(corpus, settings.valFraction)) {
      if (budget <= 0) break;
      if (split === "val") continue;
      const bytes = Buffer.byteLength(text, "utf8");
      counts.add(text);
      budget -= bytes;
      progress.add("tokenizer", corpus.name, bytes);
    }
  }
  return formatTokenizerJson(trainBpe(counts, { vocabSize: settings.vocabSize, specialTokens }));
}

/** Every document's or turn's text, and the split that it is in. */
async function* textsOf(corpus: CorpusInput, valFraction: number): AsyncGenerator<{ text: string; split: Split }> {
  if (corpus.kind === "conversations") {
    for await (const tree of conversationsOf(corpus)) {
      const split = splitOfTree(tree, valFraction);
      for (const { text } of tree.turns) yield { text, split };
    }
    return;
  }
  for await (const { text } of documentsOf(corpus)) yield { text, split: splitOf(text, valFraction) };
}

/** The end of text, and the other special tokens that a template spells. */
function specialTokensOf(template: ChatTemplate | undefined): string[] {
  const { begin = "", head = "", stop = "", after = "" } = template ?? {};
  return [...new Set([endOfTextToken, ...(`${begin}${head}${stop}${after}`.match(/<\|\w+\|>/g) ?? [])])];
}

function checkOptions({
  corpora,
  vocabSize = 4096,
  valFraction = 0.05,
  tokenizerSampleBytes = 1,
}: PrepareOptions): void {
  if (corpora.length === 0) refuse("corpora: expected at least one, got none");
  corpora.forEach((corpus, i) => {
    const { name } = corpus;
    if (!/^\w[\w.-]*$/.test(name))
      refuse(`corpora: expected a name of letters, digits, "_", "." and "-", got ${JSON.stringify(name)}`);
    if (corpora.findIndex((other) => other.name === name) !== i)
      refuse(`corpora: expected each name once, got ${name} twice`);
    const items = corpus.kind === "conversations" ? "conversations" : "documents";
    if (sourceOf(corpus) === undefined) refuse(`corpus ${name}: expected either path or ${items}`);
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
  return manifest.corpora.flatMap(({ splits: { train, val } }) =>
    [train, val].flatMap(({ shard, ...beside }) => {
      const files = "index" in beside ? [shard, beside.index] : [shard, beside.trees, beside.turns];
      return files.map(({ file }) => file);
    }),
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
    const isShard = /-(train|val)-[0-9a-f]{12}\.(tokens|index|trees|turns)$/.test(name);
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
