import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { LoadedCheckpoint } from "./checkpoint/index.js";
import { parseRecipe, type Recipe, readRecipeFile } from "./config/index.js";
import { readManifest } from "./data/index.js";
import { openCheckpoint, requireSameTokenizer } from "./load-model.js";
import { newestCheckpoint, requireNewFolder } from "./run-folder.js";
import type { TrainJob } from "./train.js";

/** What a run begins from. */
export interface OpenedRun {
  readonly recipe: Recipe;
  /** Absent for a new run, and for one that was ended before its first checkpoint. */
  readonly checkpoint?: LoadedCheckpoint | undefined;
  /** Whose weights a run begins with that has no checkpoint of its own. */
  readonly initial?: LoadedCheckpoint | undefined;
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
    return await fromBeginning(job.recipe);
  }
  const checkpoint = await newestCheckpoint(job.runDir, job);
  const recipe = checkpoint?.recipe ?? parseRecipe(readRecipeFile(join(job.runDir, "recipe.json")));
  requireVocabulary(recipe);
  return checkpoint ? { recipe, checkpoint } : await fromBeginning(recipe);
}

/** The recipe that is returned names the checkpoint itself, whatever its run saves later. */
async function fromBeginning(recipe: Recipe): Promise<OpenedRun> {
  if (!recipe.init) return { recipe };
  const initial = await openCheckpoint(recipe.init.from);
  requireSameModel(recipe.model, initial);
  requireSameTokenizer(initial, recipe.data.dir);
  return { recipe: { ...recipe, init: { from: initial.dir } }, initial };
}

function requireSameModel(model: Recipe["model"], { dir, recipe }: LoadedCheckpoint): void {
  const names = Object.keys(model) as (keyof Recipe["model"])[];
  const differing = names.filter((name) => model[name] !== recipe.model[name]);
  if (differing.length === 0) return;
  const list = differing.map(
    (name) => `model.${name}: expected ${recipe.model[name]} as in ${dir}, got ${model[name]}`,
  );
  throw new CaiError("E_CONFIG", "recipe", list.join("\n  "));
}

function requireVocabulary({ model, data }: Recipe): void {
  const { vocabSize } = readManifest(data.dir).tokenizer;
  if (model.vocabSize >= vocabSize) return;
  const expected = `expected at least the ${vocabSize} ids of the tokenizer in ${data.dir}, got ${model.vocabSize}`;
  throw new CaiError("E_CONFIG", "recipe", `model.vocabSize: ${expected}`);
}
