import { existsSync } from "node:fs";
import { extname } from "node:path";
import { Command } from "commander";
import { type RecipeInput, readRecipeFile, resolveRecipe } from "../../config/index.js";
import { openCheckpoint } from "../../load-model.js";
import { type RecipeParams, recipeByName, recipes } from "../../recipes/index.js";
import type { TrainJob } from "../../train.js";
import { collect } from "../output.js";
import { runJob } from "../run-job.js";

interface Options {
  data: string;
  run?: string;
  from?: string;
  set: string[];
  json?: boolean;
}

export function trainCommand(finish: (code: number) => void): Command {
  return new Command("train")
    .description("Train a model from a recipe.")
    .argument("<recipe>", `a recipe's name (${Object.keys(recipes).join(", ")}) or a .yaml, .yml or .json file`)
    .option("--data <dir>", "the prepared directory, for a recipe by name", "data")
    .option("--from <model>", "begin with the weights of this run's newest checkpoint, or of this checkpoint")
    .option("--run <dir>", "the new run's folder (default: runs/NAME-DATE)")
    .option("--set <path=value>", "override a field of the recipe; may be repeated", collect, [])
    .option("--json", "print events and summary as JSON lines")
    .addHelpText(
      "after",
      `
Examples:
  $ cai prepare --corpus novels=texts/ --out data
  $ cai train start --data data
  $ cai train my-recipe.yaml --set optim.lr=3e-4 --set steps=1000 --run runs/slow
  $ cai train chat --from runs/start --data conversations
  $ mpirun -np 4 npx cai train start --set distributed.exchange=squinch`,
    )
    .action(async (name: string, options: Options) => finish(await runJob(() => newJob(name, options), options.json)));
}

async function newJob(name: string, { data, from, run, set }: Options): Promise<TrainJob> {
  const params = { dataDir: data, from: from === undefined ? undefined : await openCheckpoint(from) };
  const recipe = resolveRecipe(readRecipe(name, params), set);
  return { kind: "new", recipe, ...(run !== undefined && { runDir: run }) };
}

function readRecipe(name: string, params: RecipeParams): RecipeInput | object {
  const isFile = [".yaml", ".yml", ".json"].includes(extname(name).toLowerCase()) || existsSync(name);
  if (Object.hasOwn(recipes, name) || !isFile) return recipeByName(name, params);
  return { ...readRecipeFile(name), ...(params.from && { init: { from: params.from.dir } }) };
}
