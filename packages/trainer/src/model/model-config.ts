import type { Recipe } from "../config/recipe.js";

/** The architecture part of a recipe, with every default filled in. */
export type ModelConfig = Recipe["model"];

/** The sliding window of layer `index`: every `globalEvery`-th layer, counted from one, sees everything (0). */
export function windowOf(config: ModelConfig, index: number): number {
  return (index + 1) % config.globalEvery === 0 ? 0 : config.window;
}
