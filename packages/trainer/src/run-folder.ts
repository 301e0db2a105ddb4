import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { type LoadedCheckpoint, listCheckpoints, loadCheckpoint, newestGoodCheckpoint } from "./checkpoint/index.js";
import type { Recipe } from "./config/index.js";
import { writeFileAtomically } from "./data/atomic-file.js";

/** A new run's folder below `runs`: the recipe's name and the time, such as runs/start-20260131-142233. */
export function newRunDirectory(name: string, now = new Date()): string {
  const stamp = now.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return join("runs", `${name}-${stamp}`);
}

/** @throws CaiError `E_ARGUMENT` when the folder holds something already: a run never writes over another. */
export function requireNewFolder(runDir: string): void {
  if (existsSync(runDir) && readdirSync(runDir).length > 0) {
    throw new CaiError(
      "E_ARGUMENT",
      "train",
      `${runDir} is not empty: name another folder with --run, or go on with it by \`cai resume ${runDir}\``,
    );
  }
}

/** Makes a new run's folder, which holds its recipe as resolved from the beginning. */
export function createRunFolder(runDir: string, recipe: Recipe): void {
  mkdirSync(runDir, { recursive: true });
  writeFileAtomically(join(runDir, "recipe.json"), `${JSON.stringify(recipe, null, 2)}\n`);
}

/**
 * The newest checkpoint of a run folder, verified; undefined when it has none yet.
 *
 * @param fallback takes the newest good one when newer ones are damaged; without, that is an error.
 * @throws CaiError `E_FORMAT` naming what is damaged.
 */
export async function newestCheckpoint(
  runDir: string,
  { fallback }: { fallback: boolean },
): Promise<LoadedCheckpoint | undefined> {
  const newest = (await listCheckpoints(runDir)).at(-1);
  if (!newest) return undefined;
  if (!fallback) return loadCheckpoint(newest.dir);
  const { newest: good, skipped } = await newestGoodCheckpoint(runDir);
  if (good) return loadCheckpoint(good.dir);
  const reasons = skipped.map(({ reason }) => `  ${reason}`).join("\n");
  throw new CaiError("E_FORMAT", "checkpoint", `${runDir} has no whole checkpoint:\n${reasons}`);
}
