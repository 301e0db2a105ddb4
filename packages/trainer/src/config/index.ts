export { applyOverrides } from "./overrides.js";
export { parseRecipe, resolveRecipe } from "./parse.js";
export { readRecipeFile } from "./read-recipe-file.js";
export { type Recipe, type RecipeInput, recipeSchema } from "./recipe.js";
