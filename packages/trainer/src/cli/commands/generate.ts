import { Command } from "commander";
import { generateTokens } from "../../generate/generate.js";
import { type LoadedModel, loadModel } from "../../load-model.js";
import { numberOption } from "../output.js";

interface Options {
  prompt: string;
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
  json?: boolean;
}

export function generateCommand(): Command {
  return new Command("generate")
    .description("Continue a text, token by token, as the model writes it.")
    .argument("<model>", "a run's folder (its newest checkpoint) or a checkpoint's folder")
    .option("--prompt <text>", "what to continue; nothing begins a new document", "")
    .option("--max-tokens <n>", "most tokens to write", numberOption("--max-tokens"), 200)
    .option("--temperature <t>", "divides the logits; 0 takes the most likely token", numberOption("--temperature"), 1)
    .option("--top-k <k>", "keep the k most likely tokens; 0 keeps all", numberOption("--top-k"), 0)
    .option("--top-p <p>", "keep the most likely tokens up to this probability", numberOption("--top-p"), 1)
    .option("--seed <n>", "the same seed writes the same text", numberOption("--seed"), 1)
    .option("--json", "print one JSON object at the end instead of streaming text")
    .addHelpText(
      "after",
      `
Examples:
  $ cai generate runs/start --prompt "Fellow citizens" --temperature 0.8 --top-p 0.95
  $ cai generate runs/start/checkpoints/step-00000400 --temperature 0`,
    )
    .action(async (path: string, options: Options) => generate(await loadModel(path), options));
}

function generate({ trainer, tokenizer }: LoadedModel, options: Options): void {
  const prompt = [tokenizer.endOfText, ...tokenizer.encode(options.prompt)];
  const decoder = tokenizer.stream();
  const ids: number[] = [];
  let text = "";
  const emit = (piece: string) => {
    text += piece;
    if (!options.json) process.stdout.write(piece);
  };
  if (!options.json) process.stdout.write(options.prompt);
  for (const id of generateTokens(trainer.model, prompt, { ...options, endOfText: tokenizer.endOfText })) {
    ids.push(id);
    emit(decoder.push(id));
  }
  emit(decoder.end());
  process.stdout.write(options.json ? `${JSON.stringify({ prompt: options.prompt, text, ids })}\n` : "\n");
}
