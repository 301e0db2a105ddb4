import { CaiError } from "@cai/native";
import type { RecipeInput } from "../config/recipe.js";
import { gpt2M } from "./gpt2-m.js";
import { gpt2S } from "./gpt2-s.js";
import { llamaTiny } from "./llama-tiny.js";
import type { RecipeParams } from "./params.js";
import { smoke } from "./smoke.js";
import { start } from "./start.js";

export type { RecipeParams } from "./params.js";

/** Every recipe by the name that `cai train` takes. */
export const recipes: Readonly<Record<string, (params: RecipeParams) => RecipeInput>> = {
  "gpt2-m": gpt2M,
  "gpt2-s": gpt2S,
  "llama-tiny": llamaTiny,
  smoke,
  start,
};

/**
 * A recipe by name, defaults left out, so that overrides still decide what follows from them.
 *
 * @throws CaiError `E_CONFIG` naming the recipes there are.
 */
export function recipeByName(name: string, params: RecipeParams): RecipeInput {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (recipe) return recipe(params);
  const names = Object.keys(recipes).join(", ");
  throw new CaiError("E_CONFIG", "recipe", `expected one of ${names}, or a file, got ${JSON.stringify(name)}`);
}
