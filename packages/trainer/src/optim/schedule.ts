import { CaiError } from "@cai/native";
import type { Recipe } from "../config/recipe.js";

/**
 * The learning rate of one optimiser step.
 *
 * Warm-up is linear: lr · step / warmupSteps, so the first step already learns and step `warmupSteps` has the full
 * rate. `cosine` then falls by half a cosine to lr · minLrRatio at the last step. `wsd` (warm-up, stable, decay) holds
 * the full rate and falls over the last `decaySteps` as 1 − √progress, again to lr · minLrRatio at the last step; that
 * shape did better than a straight line in Hägele et al. 2024 (arXiv 2405.18392).
 *
 * @param step the step about to be made, 1 to `recipe.steps`, as AdamW counts them.
 * @throws CaiError `E_ARGUMENT` for any other step.
 */
export function learningRate(recipe: Pick<Recipe, "optim" | "schedule" | "steps">, step: number): number {
  const { optim, schedule, steps } = recipe;
  if (!Number.isInteger(step) || step < 1 || step > steps) {
    throw new CaiError("E_ARGUMENT", "learningRate", `expected a step from 1 to ${steps}, got ${step}`);
  }
  if (step < schedule.warmupSteps) return (optim.lr * step) / schedule.warmupSteps;
  return optim.lr * (optim.minLrRatio + (1 - optim.minLrRatio) * remaining(recipe, step));
}

/** What is left of the fall, 1 to 0. */
function remaining(recipe: Pick<Recipe, "schedule" | "steps">, step: number): number {
  const start = decayStart(recipe);
  if (step <= start) return 1;
  const progress = (step - start) / (recipe.steps - start);
  return recipe.schedule.kind === "cosine" ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - Math.sqrt(progress);
}

/** The last step with the full rate. */
function decayStart({ schedule, steps }: Pick<Recipe, "schedule" | "steps">): number {
  return schedule.kind === "cosine" ? schedule.warmupSteps : steps - (schedule.decaySteps ?? 0);
}
