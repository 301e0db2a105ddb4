import { createHash } from "node:crypto";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { type ChatTree, tokenizeChat } from "@cai/visibility-mask";
import { ConversationWriter } from "./conversation-writer.js";
import {
  type ConversationInput,
  type CorpusInput,
  conversationsOf,
  documentsOf,
  type TextInput,
} from "./corpus-input.js";
import type { ChatForm, CorpusManifest, Split } from "./manifest.js";
import type { PrepareProgress } from "./prepare-progress.js";
import { ShardWriter } from "./shard-writer.js";
import type { Tokenizer } from "./tokenizer.js";
import { wellFormed } from "./utf8.js";

export interface Writing {
  readonly outDir: string;
  readonly fingerprint: string;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatForm;
  readonly valFraction: number;
  readonly progress: PrepareProgress;
}

/** The files of one corpus, and what the manifest says of them once they are in place. */
interface Written {
  readonly name: string;
  readonly train: ShardWriter | ConversationWriter;
  readonly val: ShardWriter | ConversationWriter;
  commit(): CorpusManifest;
}

/** Writes the shards of all corpora and gives them their names together. @throws CaiError as {@link prepareCorpora} */
export async function writeCorpora(corpora: readonly CorpusInput[], writing: Writing): Promise<CorpusManifest[]> {
  const written: Written[] = [];
  try {
    for (const corpus of corpora) {
      if (corpus.kind === "conversations") await writeConversations(corpus, writing, written);
      else await writeDocuments(corpus, writing, written);
    }
    checkSplits(written, writing.valFraction);
    writing.progress.finish();
    return written.map((corpus) => corpus.commit());
  } finally {
    // Nothing is left of a writer that has committed.
    for (const { train, val } of written) {
      train.discard();
      val.discard();
    }
  }
}

/** The split that a document belongs to, by its text alone. */
export function splitOf(text: string, valFraction: number): Split {
  const digest = createHash("sha256").update(wellFormed(text)).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48 < valFraction ? "val" : "train";
}

/** The split of a conversation, by its first words after the system's: conversations that share them stay together. */
export function splitOfTree({ turns }: ChatTree, valFraction: number): Split {
  return splitOf((turns.find(({ role }) => role !== "system") ?? turns[0])?.text ?? "", valFraction);
}

async function writeDocuments(corpus: TextInput, writing: Writing, written: Written[]): Promise<void> {
  const { name } = corpus;
  const { tokenizer, valFraction, progress } = writing;
  const writers = pair(name, writing, written, ShardWriter, ({ train, val }) => ({
    name,
    kind: "text",
    splits: { train: { ...train.totals, ...train.commit() }, val: { ...val.totals, ...val.commit() } },
  }));
  for await (const { text } of documentsOf(corpus)) {
    if (text === "") continue;
    const ids = tokenizer.encode(text);
    const bytes = Buffer.byteLength(text, "utf8");
    writers[splitOf(text, valFraction)].add(ids, bytes);
    progress.add("encode", name, bytes, ids.length + 1);
  }
}

async function writeConversations(corpus: ConversationInput, writing: Writing, written: Written[]): Promise<void> {
  const { name } = corpus;
  const { tokenizer, valFraction, progress, chat } = writing;
  const writers = pair(name, writing, written, ConversationWriter, ({ train, val }) => ({
    name,
    kind: "conversations",
    splits: { train: { ...train.totals, ...train.commit() }, val: { ...val.totals, ...val.commit() } },
  }));
  const encode = (text: string, options: { special: boolean }) => tokenizer.encode(text, options);
  for await (const tree of conversationsOf(corpus)) {
    const tokens = tokenizeChat(tree, { encode, ...chat });
    const bytes = tree.turns.reduce((sum, { text }) => sum + Buffer.byteLength(text, "utf8"), 0);
    writers[splitOfTree(tree, valFraction)].add(tokens, bytes);
    progress.add(
      "encode",
      name,
      bytes,
      tokens.turns.reduce((sum, turn) => sum + turn.tokens.length, 0),
    );
  }
}

/** A writer for each split; when the second cannot be made, nothing is left of the first. */
function pair<Writer extends ShardWriter | ConversationWriter>(
  name: string,
  { outDir, fingerprint, tokenizer }: Writing,
  written: Written[],
  make: new (stem: string, vocabulary: Tokenizer) => Writer,
  manifest: (pair: Record<Split, Writer>) => CorpusManifest,
): Record<Split, Writer> {
  const stem = (split: Split) => join(outDir, `${name}-${split}-${fingerprint.slice(0, 12)}`);
  const train = new make(stem("train"), tokenizer);
  try {
    const writers = { train, val: new make(stem("val"), tokenizer) };
    written.push({ name, ...writers, commit: () => manifest(writers) });
    return writers;
  } catch (error) {
    train.discard();
    throw error;
  }
}

function checkSplits(written: readonly Written[], valFraction: number): void {
  for (const { name, train, val } of written) {
    if (train.totals.documents > 0) continue;
    refuse(
      `corpus ${name}: expected documents for training, got none (${val.totals.documents} for validation). ` +
        "Cut the text into more documents (split), or lower valFraction.",
    );
  }
  if (valFraction === 0 || written.some(({ val }) => val.totals.documents > 0)) return;
  const documents = written.reduce((sum, { train }) => sum + train.totals.documents, 0);
  refuse(
    `no document of ${documents} fell to the validation split of ${valFraction}: raise valFraction, cut the text into ` +
      "more documents (split), or set valFraction to 0 for none",
  );
}

function refuse(message: string): never {
  throw new CaiError("E_ARGUMENT", "prepareCorpora", message);
}
