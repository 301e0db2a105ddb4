import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isCaiError } from "@cai/native";
import { verifyCheckpoint } from "./manifest.js";

/** A checkpoint by its folder's name; nothing says yet that it is good. */
export interface CheckpointEntry {
  readonly dir: string;
  readonly step: number;
}

/** The newest checkpoint that verifies, and the newer ones that don't, with the reason. */
export interface NewestGood {
  readonly newest: CheckpointEntry | undefined;
  readonly skipped: readonly { readonly dir: string; readonly reason: string }[];
}

/** A folder that was moved aside for another of the same step; it counts only while that one is not there. */
export const replacedSuffix = ".replaced";

export function checkpointsRoot(runDir: string): string {
  return join(runDir, "checkpoints");
}

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** The checkpoints of a run folder, oldest first; none when there is no such folder. */
export async function listCheckpoints(runDir: string): Promise<CheckpointEntry[]> {
  const names = new Set(await namesIn(checkpointsRoot(runDir)));
  return [...names]
    .filter((name) => !(name.endsWith(replacedSuffix) && names.has(name.slice(0, -replacedSuffix.length))))
    .map((name) => ({ name, match: /^step-(\d{8,15})(?:\.replaced)?$/.exec(name) }))
    .flatMap(({ name, match }) => (match ? [{ dir: join(checkpointsRoot(runDir), name), step: Number(match[1]) }] : []))
    .sort((a, b) => a.step - b.step);
}

/**
 * The newest checkpoint of a run folder whose every file is whole, to go on from after a crash.
 *
 * @returns `newest` is undefined when there is none; `skipped` lists newer ones that are not whole, newest first.
 */
export async function newestGoodCheckpoint(runDir: string): Promise<NewestGood> {
  const skipped: { dir: string; reason: string }[] = [];
  for (const entry of (await listCheckpoints(runDir)).reverse()) {
    try {
      await verifyCheckpoint(entry.dir);
      return { newest: entry, skipped };
    } catch (error) {
      if (!isCaiError(error)) throw error;
      skipped.push({ dir: entry.dir, reason: error.message });
    }
  }
  return { newest: undefined, skipped };
}

/** The names in a directory; none when it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
