import type { Recipe } from "../config/recipe.js";

/** What a recipe function takes: where things are on this machine. */
export interface RecipeParams {
  /** A prepared directory. */
  readonly dataDir: string;
  /** The checkpoint whose weights the run is to begin with, as `loadCheckpoint` gives it. */
  readonly from?: { readonly dir: string; readonly recipe: Recipe } | undefined;
}
