import { CaiError } from "@cai/native";
import type { z } from "zod";
import { suggestion } from "./field-paths.js";
import { applyOverrides } from "./overrides.js";
import { type Recipe, type RecipeInput, recipeSchema } from "./recipe.js";

/**
 * Checks `value` and fills in everything that was left out.
 *
 * @returns the complete recipe; parsing it again gives the same.
 * @throws CaiError `E_CONFIG`: every problem on one line, as `field: expected X, got Y`.
 */
export function parseRecipe(value: unknown): Recipe {
  const result = recipeSchema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const problems = [...new Set(result.error.issues.flatMap(describeIssue))];
  const list = problems.length === 1 ? `${problems[0]}` : `${problems.length} problems\n  ${problems.join("\n  ")}`;
  throw new CaiError("E_CONFIG", "recipe", list, { cause: result.error });
}

/**
 * A recipe as it is run and written into the run folder: overrides applied, defaults filled in, everything checked.
 *
 * @param recipe what a recipe function or {@link readRecipeFile} returned.
 * @param overrides `path=value`, applied in order; see {@link applyOverrides}.
 * @throws CaiError `E_CONFIG`.
 */
export function resolveRecipe(recipe: RecipeInput | object, overrides: readonly string[] = []): Recipe {
  return parseRecipe(applyOverrides(recipe, overrides));
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const prefix = path === "" ? "" : `${path}.`;
    return issue.keys.map((key) => `${prefix}${key}: expected a known field, got this; ${suggestion(prefix + key)}`);
  }
  return [`${path || "recipe"}: expected ${expectation(issue)}, got ${show(issue.input)}`];
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.expected === "object") return "an object of fields";
  if (issue.code === "invalid_key") return `names of ${issue.issues[0]?.message ?? "another kind"}`;
  return issue.message;
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? typeof value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
