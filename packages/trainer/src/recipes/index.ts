import { CaiError } from "@cai/native";
import type { RecipeInput } from "../config/recipe.js";
import { chat } from "./chat.js";
import { gpt2M } from "./gpt2-m.js";
import { gpt2S } from "./gpt2-s.js";
import { llamaTiny } from "./llama-tiny.js";
import type { RecipeParams } from "./params.js";
import { smoke } from "./smoke.js";
import { start } from "./start.js";

export type { RecipeParams } from "./params.js";

/** Every recipe by the name that `cai train` takes. */
export const recipes: Readonly<Record<string, (params: RecipeParams) => RecipeInput>> = {
  chat,
  "gpt2-m": gpt2M,
  "gpt2-s": gpt2S,
  "llama-tiny": llamaTiny,
  smoke,
  start,
};

/**
 * A recipe by name, defaults left out, so that overrides still decide what follows from them. With `params.from` it
 * begins with that checkpoint's weights, whichever recipe it is.
 *
 * @throws CaiError `E_CONFIG` naming the recipes there are, or what the recipe lacks.
 */
export function recipeByName(name: string, params: RecipeParams): RecipeInput {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (recipe) return { ...recipe(params), ...(params.from && { init: { from: params.from.dir } }) };
  const names = Object.keys(recipes).join(", ");
  throw new CaiError("E_CONFIG", "recipe", `expected one of ${names}, or a file, got ${JSON.stringify(name)}`);
}
