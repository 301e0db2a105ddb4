import { existsSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { type LoadedCheckpoint, loadCheckpoint } from "./checkpoint/index.js";
import { readManifest, Tokenizer } from "./data/index.js";
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
}

/** Loads the model of a run's newest checkpoint, or of one checkpoint. @throws CaiError `E_IO`, `E_FORMAT`. */
export async function loadModel(path: string): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(path);
  const trainer = new Trainer(checkpoint.recipe);
  await loadWeights(checkpoint, trainer.parameters());
  return { checkpoint, trainer, tokenizer: Tokenizer.load(join(checkpoint.dir, "tokenizer.json")) };
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
