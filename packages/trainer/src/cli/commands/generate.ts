import { CaiError } from "@cai/native";
import { Command, Option } from "commander";
import { beamSearch } from "../../generate/beam-search.js";
import { generateTokens } from "../../generate/generate.js";
import { sampleAnswers } from "../../generate/sample-answers.js";
import { type LoadedModel, loadModel } from "../../load-model.js";
import { numberOption } from "../output.js";
import { type Continuation, printContinuations } from "./continuations.js";

interface Options {
  prompt: string;
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
  samples?: number;
  beams?: number;
  lengthPenalty?: number;
  return?: number;
  json?: boolean;
}

/** What beam search, which draws nothing, has no use for. */
const drawing = ["samples", "temperature", "topK", "topP", "seed"];

export function generateCommand(): Command {
  const number = (flags: string, description: string) =>
    new Option(flags, description).argParser(numberOption(flags.split(" ")[0] as string));
  return new Command("generate")
    .description("Continue a text, token by token, as the model writes it; or several ways at once.")
    .argument("<model>", "a run's folder (its newest checkpoint) or a checkpoint's folder")
    .option("--prompt <text>", "what to continue; nothing begins a new document", "")
    .addOption(number("--max-tokens <n>", "most tokens to write").default(200))
    .addOption(number("--temperature <t>", "divides the logits; 0 takes the most likely token").default(1))
    .addOption(number("--top-k <k>", "keep the k most likely tokens; 0 keeps all").default(0))
    .addOption(number("--top-p <p>", "keep the most likely tokens up to this probability").default(1))
    .addOption(number("--seed <n>", "the same seed writes the same text").default(1))
    .addOption(number("--samples <n>", "draw n texts side by side; the first is the one drawn without"))
    .addOption(number("--beams <n>", "search for the likeliest text with n beams").conflicts(drawing))
    .addOption(number("--length-penalty <a>", "with --beams: rank by ln p / ((5 + tokens) / 6)^a (default: 0.6)"))
    .addOption(number("--return <k>", "with --beams: how many of the best to print (default: 1)"))
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText(
      "after",
      `
Examples:
  $ cai generate runs/start --prompt "Fellow citizens" --temperature 0.8 --top-p 0.95
  $ cai generate runs/start/checkpoints/step-00000400 --temperature 0
  $ cai generate runs/start --prompt "Fellow citizens" --samples 5 --max-tokens 60
  $ cai generate runs/start --prompt "Fellow citizens" --beams 8 --return 3 --length-penalty 0.6`,
    )
    .action(async (path: string, options: Options) => {
      checkBeamOptions(options);
      generate(await loadModel(path), options);
    });
}

function checkBeamOptions({ beams, lengthPenalty, return: count = 1 }: Options): void {
  const fail = (message: string) => {
    throw new CaiError("E_ARGUMENT", "generate", message);
  };
  if (beams === undefined) {
    if (lengthPenalty !== undefined) fail("--length-penalty is for beam search: give --beams too");
    if (count !== 1) fail("--return is for beam search: give --beams, or --samples for several texts");
  } else if (!Number.isInteger(count) || count < 1 || count > Math.max(beams, 1)) {
    fail(`--return must be from 1 to the ${beams} of --beams, got ${count}`);
  }
}

function generate(model: LoadedModel, options: Options): void {
  if (options.beams !== undefined) print(model, options, search(model, options, options.beams));
  else if (options.samples !== undefined) print(model, options, sample(model, options, options.samples));
  else stream(model, options);
}

function search({ trainer, tokenizer }: LoadedModel, options: Options, beams: number): Continuation[] {
  const { maxTokens, lengthPenalty, return: count = 1 } = options;
  const found = beamSearch(trainer.model, promptOf(tokenizer, options), {
    beams,
    maxTokens,
    endOfText: tokenizer.endOfText,
    ...(lengthPenalty !== undefined && { lengthPenalty }),
  });
  return found.slice(0, count);
}

function sample({ trainer, tokenizer }: LoadedModel, options: Options, count: number): Continuation[] {
  const { endOfText } = tokenizer;
  return sampleAnswers(trainer.model, promptOf(tokenizer, options), { ...options, count, endOfText });
}

function print({ tokenizer }: LoadedModel, { prompt, json }: Options, continuations: readonly Continuation[]): void {
  printContinuations(continuations, { prompt, json, decode: (ids) => tokenizer.decode(ids) });
}

function stream({ trainer, tokenizer }: LoadedModel, options: Options): void {
  const decoder = tokenizer.stream();
  const ids: number[] = [];
  let text = "";
  const emit = (piece: string) => {
    text += piece;
    if (!options.json) process.stdout.write(piece);
  };
  if (!options.json) process.stdout.write(options.prompt);
  const prompt = promptOf(tokenizer, options);
  for (const id of generateTokens(trainer.model, prompt, { ...options, endOfText: tokenizer.endOfText })) {
    ids.push(id);
    emit(decoder.push(id));
  }
  emit(decoder.end());
  process.stdout.write(options.json ? `${JSON.stringify({ prompt: options.prompt, text, ids })}\n` : "\n");
}

function promptOf(tokenizer: LoadedModel["tokenizer"], { prompt }: Options): number[] {
  return [tokenizer.endOfText, ...tokenizer.encode(prompt)];
}
