import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { chatFormName, type LoadedCheckpoint, loadCheckpoint } from "./checkpoint/index.js";
import { type ChatForm, chatFormSchema, readManifest, Tokenizer } from "./data/index.js";
import { newestCheckpoint } from "./run-folder.js";
import { Trainer } from "./trainer.js";
import { loadWeights } from "./training-state.js";

/** The checkpoint at `path`: a run's folder means its newest one. @throws CaiError `E_IO`, `E_FORMAT`. */
export async function openCheckpoint(path: string): Promise<LoadedCheckpoint> {
  if (!existsSync(join(path, "checkpoints"))) return loadCheckpoint(path);
  const newest = await newestCheckpoint(path, { fallback: false });
  if (newest) return newest;
  throw new CaiError("E_IO", "checkpoint", `${path} has no checkpoint yet`);
}

/** A trained model with its tokenizer, ready to evaluate or to generate. */
export interface LoadedModel {
  readonly checkpoint: LoadedCheckpoint;
  readonly trainer: Trainer;
  readonly tokenizer: Tokenizer;
  /** How conversations are spelled to it; absent where it was trained on none. */
  readonly chat?: ChatForm | undefined;
}

/** Loads the model of a run's newest checkpoint, or of one checkpoint. @throws CaiError `E_IO`, `E_FORMAT`. */
export async function loadModel(path: string): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(path);
  const trainer = new Trainer(checkpoint.recipe);
  await loadWeights(checkpoint, trainer.parameters());
  const tokenizer = Tokenizer.load(join(checkpoint.dir, "tokenizer.json"));
  return { checkpoint, trainer, tokenizer, chat: readChatForm(checkpoint.dir) };
}

function readChatForm(dir: string): ChatForm | undefined {
  const path = join(dir, chatFormName);
  if (!existsSync(path)) return undefined;
  try {
    return chatFormSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new CaiError("E_FORMAT", "checkpoint", `${path} is of another version`, { cause });
  }
}

/** Other tokens than the model's mean nothing to it. @throws CaiError `E_CONFIG` where `dir` was prepared with others. */
export function requireSameTokenizer({ dir: model, tokenizerSha256 }: LoadedCheckpoint, dir: string): void {
  if (readManifest(dir).tokenizer.sha256 === tokenizerSha256) return;
  throw new CaiError(
    "E_CONFIG",
    "data",
    `${dir} was prepared with another tokenizer than ${model} has: prepare it with ` +
      `\`cai prepare --tokenizer ${join(model, "tokenizer.json")}\``,
  );
}
