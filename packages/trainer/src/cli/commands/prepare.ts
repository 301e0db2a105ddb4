import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { chatRoles, chatTemplates } from "@cai/visibility-mask";
import { Command } from "commander";
import { type CorpusInput, type Manifest, prepareCorpora, type ReadOptions } from "../../data/index.js";
import { openCheckpoint } from "../../load-model.js";
import { collect, columns, grouped, numberOption, print } from "../output.js";
import { prepareProgress } from "../prepare-progress.js";

interface Options {
  corpus: string[];
  conversations: string[];
  template: string;
  lossRoles: string;
  out: string;
  vocabSize: number;
  tokenizer?: string;
  valFraction: number;
  field?: string;
  split?: string;
  include?: string;
  json?: boolean;
}

export function prepareCommand(): Command {
  return new Command("prepare")
    .description("Train a tokenizer on texts and conversations and write them as token shards for training.")
    .option("--corpus <name=path>", "a .txt, .jsonl or .parquet file (.gz too) or a directory; repeatable", collect, [])
    .option("--conversations <name=path>", "a .jsonl file (.gz too) or a directory; repeatable", collect, [])
    .option("--out <dir>", "the prepared directory", "data")
    .option("--vocab-size <n>", "ids of the tokenizer to train", numberOption("--vocab-size"), 4096)
    .option("--tokenizer <path>", "use the tokenizer of this tokenizer.json, run or checkpoint instead of training one")
    .option("--val-fraction <f>", "share of documents for validation, by hash", numberOption("--val-fraction"), 0.05)
    .option("--field <name>", "field or column of JSONL and Parquet that holds the text (default: text)")
    .option("--split <rule>", "cut text files into documents: file, blank-lines or form-feed (default: file)")
    .option("--template <name>", `how conversations are spelled: ${Object.keys(chatTemplates).join(" or ")}`, "plain")
    .option("--loss-roles <list>", `whose turns are learned, of ${chatRoles.join(", ")}`, "assistant")
    .option("--include <pattern>", "take only these files of a directory, such as chapter_*.txt")
    .option("--json", "print the manifest")
    .addHelpText(
      "after",
      `
Examples:
  $ cai prepare --corpus novels=texts/ --out data
  $ cai prepare --corpus wiki=wiki.jsonl.gz --corpus code=code.parquet --vocab-size 16384 --out data
  $ cai prepare --conversations chats=chats.jsonl --tokenizer runs/start --out chat-data

A line of conversations is {"messages": [{"role", "content"}]}, {"conversations": [{"from", "value"}]}, a message with
"replies", or one message of a tree with its "parent_id".`,
    )
    .action(async (options: Options) => {
      const progress = prepareProgress();
      const { manifest, reused } = await prepareCorpora({
        corpora: [
          ...options.corpus.map((text) => textInput(text, options)),
          ...options.conversations.map((text) => conversationInput(text, options)),
        ],
        outDir: options.out,
        vocabSize: options.vocabSize,
        valFraction: options.valFraction,
        ...(options.tokenizer !== undefined && { tokenizer: await tokenizerPath(options.tokenizer) }),
        template: chatTemplates[oneOf("--template", options.template, templateNames)],
        lossRoles: options.lossRoles.split(",").map((role) => oneOf("--loss-roles", role.trim(), chatRoles)),
        onProgress: progress.update,
      }).finally(progress.end);
      print(options.json, manifest, () => describe(manifest, options.out, reused));
    });
}

const splits = ["file", "blank-lines", "form-feed"] as const;
const templateNames = Object.keys(chatTemplates) as (keyof typeof chatTemplates)[];

function textInput(text: string, { field, split, include }: Options): CorpusInput {
  return {
    ...namedPath("--corpus", text),
    ...(field !== undefined && { field }),
    ...(include !== undefined && { include }),
    ...splitRule(split),
  };
}

function conversationInput(text: string, { include }: Options): CorpusInput {
  const input = namedPath("--conversations", text);
  return { kind: "conversations", ...input, ...(include !== undefined && { include }) };
}

function namedPath(option: string, text: string): { name: string; path: string } {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && path !== undefined) return { name, path };
  throw new CaiError("E_ARGUMENT", "prepare", `${option}: expected name=path, got ${JSON.stringify(text)}`);
}

function splitRule(name: string | undefined): Pick<ReadOptions, "split"> {
  return name === undefined ? {} : { split: oneOf("--split", name, splits) };
}

function oneOf<Name extends string>(option: string, name: string, names: readonly Name[]): Name {
  const found = names.find((known) => known === name);
  if (found !== undefined) return found;
  const expected = `one of ${names.join(", ")}`;
  throw new CaiError("E_ARGUMENT", "prepare", `${option}: expected ${expected}, got ${JSON.stringify(name)}`);
}

/** The tokenizer.json itself, or that of a prepared directory, a checkpoint, or a run's newest one. */
async function tokenizerPath(path: string): Promise<string> {
  if (!existsSync(path) || !statSync(path).isDirectory()) return path;
  const inside = join(path, "tokenizer.json");
  return existsSync(inside) ? inside : join((await openCheckpoint(path)).dir, "tokenizer.json");
}

function describe({ corpora, totals, tokenizer }: Manifest, out: string, reused: boolean): string {
  const row = (noun: string, { documents, tokens, bytes }: Manifest["totals"]["train"]) =>
    `${grouped(documents)} ${noun}, ${grouped(tokens)} tokens, ${grouped(bytes)} bytes`;
  return columns([
    [reused ? "already prepared" : "prepared", out],
    ["tokenizer", `${grouped(tokenizer.vocabSize)} ids`],
    ...corpora.flatMap(({ name, kind, splits: { train, val } }): [string, string][] => {
      const noun = kind === "text" ? "documents" : "conversation trees";
      return [
        [`${name}, training`, row(noun, train)],
        [`${name}, validation`, row(noun, val)],
      ];
    }),
    ["bytes a token", (totals.train.bytes / totals.train.tokens).toFixed(2)],
  ]);
}
