import { existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import { type BackendInfo, backendInfo, isCaiError, type MpiInfo, mpiInfo, sizeOf } from "@cai/native";
import { Command } from "commander";
import { type Recipe, readRecipeFile, resolveRecipe } from "../../config/index.js";
import { openCheckpoint } from "../../load-model.js";
import { parameterLayout } from "../../model/parameter-layout.js";
import { recipeByName } from "../../recipes/index.js";
import { collect, columns, grouped, print } from "../output.js";

interface Options {
  set: string[];
  json?: boolean;
}

export function infoCommand(): Command {
  return new Command("info")
    .description("Describe a checkpoint, a run, a recipe, or (without an argument) the backend.")
    .argument("[target]", "a run's or checkpoint's folder, or a recipe's name or file")
    .option("--set <path=value>", "override a field of the recipe; may be repeated", collect, [])
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  $ cai info\n  $ cai info start --set model.numLayers=12\n  $ cai info runs/start",
    )
    .action(async (target: string | undefined, options: Options) => {
      if (target === undefined) describeBackend(options);
      else if (existsSync(target) && statSync(target).isDirectory()) await describeCheckpoint(target, options);
      else describeRecipe(target, options);
    });
}

function describeBackend({ json }: Options): void {
  const info = backendInfo();
  const mpi = mpiOrReason();
  print(json, { ...info, mpi }, () =>
    columns([
      ...Object.entries({ ...info, tried: triedText(info.tried) }).map(
        ([name, value]) => [name, String(value)] as const,
      ),
      ["mpi", mpiText(mpi)],
    ]),
  );
}

function triedText(tried: BackendInfo["tried"]): string {
  return tried.map(({ backend, available, reason }) => `${backend} ${available ? "works" : `(${reason})`}`).join(", ");
}

function mpiOrReason(): MpiInfo | { reason: string } {
  try {
    return mpiInfo();
  } catch (error) {
    if (isCaiError(error)) return { reason: error.message };
    throw error;
  }
}

function mpiText(mpi: MpiInfo | { reason: string }): string {
  if ("reason" in mpi) return `none: ${mpi.reason}`;
  const started = mpi.launchedBy === undefined ? "no launcher started this process" : `started by ${mpi.launchedBy}`;
  return `${mpi.library ?? `none (tried ${mpi.tried.join("; ")})`}, ${started}`;
}

async function describeCheckpoint(path: string, { json }: Options): Promise<void> {
  const { dir, step, recipe, digest } = await openCheckpoint(path);
  const parameters = numParameters(recipe);
  print(json, { checkpoint: dir, step, digest, parameters, recipe }, () =>
    columns([
      ["checkpoint", dir],
      ["step", `${grouped(step)} of ${grouped(recipe.steps)}`],
      ["digest", digest],
      ...(recipe.init ? [["began with", recipe.init.from] as const] : []),
      ...modelRows(recipe),
    ]),
  );
}

function describeRecipe(target: string, { json, set }: Options): void {
  const isFile = [".yaml", ".yml", ".json"].includes(extname(target).toLowerCase());
  const recipe = resolveRecipe(isFile ? readRecipeFile(target) : recipeByName(target, { dataDir: "data" }), set);
  print(json, { parameters: numParameters(recipe), recipe }, () =>
    columns([["recipe", recipe.name], ["steps", grouped(recipe.steps)], ...modelRows(recipe)]),
  );
}

function modelRows(recipe: Recipe): [string, string][] {
  const { model, batchSize, gradAccumSteps, data } = recipe;
  return [
    ["parameters", grouped(numParameters(recipe))],
    ["layers", `${model.numLayers} of width ${model.hiddenSize}`],
    ["heads", `${model.numHeads} query, ${model.numKvHeads} key-value, of width ${model.headDim}`],
    ["feed-forward", `${model.activation}, width ${model.intermediateSize}`],
    ["vocabulary", grouped(model.vocabSize)],
    ["rows", `${data.packing}, ${grouped(data.seqLen)} tokens`],
    ["tokens a step", grouped(batchSize * gradAccumSteps * data.seqLen)],
  ];
}

function numParameters({ model }: Recipe): number {
  return parameterLayout(model).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
