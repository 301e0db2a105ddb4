import { CaiError } from "@cai/native";
import type { ChatTemplate } from "@cai/visibility-mask";
import { Command } from "commander";
import { ChatSession } from "../../chat/session.js";
import { type LoadedModel, loadModel } from "../../load-model.js";
import { jsonPeer, linePeer } from "../chat/lines.js";
import { talk } from "../chat/talk.js";
import { TerminalPeer } from "../chat/terminal.js";
import { exitCodes } from "../exit-codes.js";
import { grouped, numberOption } from "../output.js";

interface Options {
  system?: string;
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
  json?: boolean;
}

export function chatCommand(finish: (code: number) => void): Command {
  return new Command("chat")
    .description("Talk to a model that was fine-tuned on conversations, on a terminal or through a pipe.")
    .argument("<model>", "a run's folder (its newest checkpoint) or a checkpoint's folder")
    .option("--system <text>", "a first turn that tells the model who it is")
    .option("--max-tokens <n>", "most tokens of an answer", numberOption("--max-tokens"), 200)
    .option(
      "--temperature <t>",
      "divides the logits; 0 takes the most likely token",
      numberOption("--temperature"),
      0.8,
    )
    .option("--top-k <k>", "keep the k most likely tokens; 0 keeps all", numberOption("--top-k"), 0)
    .option("--top-p <p>", "keep the most likely tokens up to this probability", numberOption("--top-p"), 0.95)
    .option("--seed <n>", "the same seed and messages get the same answers", numberOption("--seed"), 1)
    .option("--json", 'read and write JSON lines: {"content": "..."}')
    .addHelpText(
      "after",
      `
In the conversation /reset begins anew, /quit or Ctrl-D ends it; Ctrl-C stops an answer. Through a pipe each line is a
message. When less than a quarter of the model's context is left for an answer, the oldest exchanges are forgotten, until
half of it is free.

Examples:
  $ cai chat runs/chat
  $ cai chat runs/chat --system "You answer mails." --temperature 0.5 --top-p 0.9
  $ echo "How do I install it?" | cai chat runs/chat
  $ echo '{"content": "How do I install it?"}' | cai chat runs/chat --json`,
    )
    .action(async (path: string, options: Options) => finish(await chat(await loadModel(path), options)));
}

async function chat(model: LoadedModel, options: Options): Promise<number> {
  const { trainer, tokenizer } = model;
  const session = new ChatSession(trainer.model, tokenizer, { ...options, template: templateOf(model) });
  if (options.json || !process.stdin.isTTY || !process.stdout.isTTY) {
    await talk(session, options.json ? jsonPeer() : linePeer());
    return exitCodes.ok;
  }
  const terminal = new TerminalPeer();
  terminal.greet(greeting(model));
  await talk(session, terminal);
  return terminal.exitCode;
}

function templateOf({ chat: form, checkpoint }: LoadedModel): ChatTemplate {
  if (form) return form.template;
  throw new CaiError(
    "E_CONFIG",
    "chat",
    `${checkpoint.dir} has seen no conversations: fine-tune it with \`cai train chat --from\`, or let it continue a text ` +
      "with `cai generate`",
  );
}

function greeting({ checkpoint, trainer }: LoadedModel): string {
  const { name, model } = checkpoint.recipe;
  const size = `${grouped(trainer.numParameters)} parameters, a context of ${grouped(model.maxSeqLen)} tokens`;
  return `${name}, step ${grouped(checkpoint.step)}: ${size}\n/help lists commands, Ctrl-D ends`;
}
