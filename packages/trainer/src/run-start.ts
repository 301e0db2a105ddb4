import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { LoadedCheckpoint } from "./checkpoint/index.js";
import { parseRecipe, type Recipe, readRecipeFile } from "./config/index.js";
import { readManifest } from "./data/index.js";
import { newestCheckpoint, requireNewFolder } from "./run-folder.js";
import type { TrainJob } from "./train.js";

/** What a run begins from. */
export interface OpenedRun {
  readonly recipe: Recipe;
  /** Absent for a new run, and for one that was ended before its first checkpoint. */
  readonly checkpoint?: LoadedCheckpoint | undefined;
}

/**
 * Reads what a job is about and checks what can be checked before anything is changed.
 *
 * @param writes whether this rank is the one that writes the run's folder.
 * @throws CaiError `E_CONFIG`, `E_FORMAT`, `E_IO`, `E_ARGUMENT`.
 */
export async function openRun(job: TrainJob, writes: boolean): Promise<OpenedRun> {
  if (job.kind === "new") {
    requireVocabulary(job.recipe);
    if (writes && job.runDir !== undefined) requireNewFolder(job.runDir);
    return { recipe: job.recipe };
  }
  const checkpoint = await newestCheckpoint(job.runDir, job);
  const recipe = checkpoint?.recipe ?? parseRecipe(readRecipeFile(join(job.runDir, "recipe.json")));
  requireVocabulary(recipe);
  return { recipe, checkpoint };
}

function requireVocabulary({ model, data }: Recipe): void {
  const { vocabSize } = readManifest(data.dir).tokenizer;
  if (model.vocabSize >= vocabSize) return;
  const expected = `expected at least the ${vocabSize} ids of the tokenizer in ${data.dir}, got ${model.vocabSize}`;
  throw new CaiError("E_CONFIG", "recipe", `model.vocabSize: ${expected}`);
}
