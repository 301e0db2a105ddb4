import { CaiError } from "@cai/native";
import { Command } from "commander";
import { type CorpusInput, type Manifest, prepareCorpora, type ReadOptions } from "../../data/index.js";
import { collect, columns, grouped, numberOption, print } from "../output.js";
import { prepareProgress } from "../prepare-progress.js";

interface Options {
  corpus: string[];
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
    .description("Train a tokenizer on texts and write them as token shards for training.")
    .requiredOption(
      "--corpus <name=path>",
      "a .txt, .jsonl or .parquet file (.gz too) or a directory; repeatable",
      collect,
      [],
    )
    .option("--out <dir>", "the prepared directory", "data")
    .option("--vocab-size <n>", "ids of the tokenizer to train", numberOption("--vocab-size"), 4096)
    .option("--tokenizer <file>", "use this tokenizer.json instead of training one")
    .option("--val-fraction <f>", "share of documents for validation, by hash", numberOption("--val-fraction"), 0.05)
    .option("--field <name>", "field or column of JSONL and Parquet that holds the text (default: text)")
    .option("--split <rule>", "cut text files into documents: file, blank-lines or form-feed (default: file)")
    .option("--include <pattern>", "take only these files of a directory, such as chapter_*.txt")
    .option("--json", "print the manifest")
    .addHelpText(
      "after",
      `
Examples:
  $ cai prepare --corpus novels=texts/ --out data
  $ cai prepare --corpus wiki=wiki.jsonl.gz --corpus code=code.parquet --vocab-size 16384 --out data`,
    )
    .action(async (options: Options) => {
      const progress = prepareProgress();
      const { manifest, reused } = await prepareCorpora({
        corpora: options.corpus.map((text) => corpusInput(text, options)),
        outDir: options.out,
        vocabSize: options.vocabSize,
        valFraction: options.valFraction,
        ...(options.tokenizer !== undefined && { tokenizer: options.tokenizer }),
        onProgress: progress.update,
      }).finally(progress.end);
      print(options.json, manifest, () => describe(manifest, options.out, reused));
    });
}

const splits = ["file", "blank-lines", "form-feed"] as const;

function corpusInput(text: string, { field, split, include }: Options): CorpusInput {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) {
    throw new CaiError("E_ARGUMENT", "prepare", `--corpus: expected name=path, got ${JSON.stringify(text)}`);
  }
  return {
    name,
    path,
    ...(field !== undefined && { field }),
    ...(include !== undefined && { include }),
    ...splitRule(split),
  };
}

function splitRule(name: string | undefined): Pick<ReadOptions, "split"> {
  if (name === undefined) return {};
  const split = splits.find((rule) => rule === name);
  if (split) return { split };
  throw new CaiError(
    "E_ARGUMENT",
    "prepare",
    `--split: expected one of ${splits.join(", ")}, got ${JSON.stringify(name)}`,
  );
}

function describe({ corpora, totals, tokenizer }: Manifest, out: string, reused: boolean): string {
  const row = ({ documents, tokens, bytes }: Manifest["totals"]["train"]) =>
    `${grouped(documents)} documents, ${grouped(tokens)} tokens, ${grouped(bytes)} bytes`;
  return columns([
    [reused ? "already prepared" : "prepared", out],
    ["tokenizer", `${grouped(tokenizer.vocabSize)} ids`],
    ...corpora.flatMap(({ name, splits: { train, val } }): [string, string][] => [
      [`${name}, training`, row(train)],
      [`${name}, validation`, row(val)],
    ]),
    ["bytes a token", (totals.train.bytes / totals.train.tokens).toFixed(2)],
  ]);
}
