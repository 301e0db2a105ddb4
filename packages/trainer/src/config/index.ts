export { applyOverrides } from "./overrides.js";
export { parseRecipe, resolveRecipe } from "./parse.js";
export { readRecipeFile } from "./read-recipe-file.js";
export type { Recipe, RecipeInput } from "./recipe.js";
