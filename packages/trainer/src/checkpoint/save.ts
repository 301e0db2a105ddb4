import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CaiError, isCaiError } from "@cai/native";
import type { Recipe } from "../config/recipe.js";
import { canonicalJson } from "./canonical-json.js";
import {
  checkpointName,
  checkpointsRoot,
  listCheckpoints,
  namesIn,
  newestGoodCheckpoint,
  replacedSuffix,
} from "./list.js";
import { formatName, formatVersion, type Manifest, manifestName } from "./manifest.js";
import type { TensorSource } from "./safetensors-header.js";
import { writeSafetensors } from "./safetensors-writer.js";
import { type FileDigest, syncDirectory, writeSynced } from "./synced-file.js";

export type TensorMap = ReadonlyMap<string, TensorSource>;

/** What a checkpoint holds. */
export interface CheckpointContent {
  /** Optimiser steps done. */
  readonly step: number;
  /** Tensors by file: `model` becomes model.safetensors. Others than these two may be added, in lower-case names. */
  readonly tensors: { readonly model: TensorMap; readonly optimizer: TensorMap; readonly [file: string]: TensorMap };
  /**
   * All else that an exact resume needs, such as the data position: plain JSON. It is part of the checkpoint's digest,
   * so no times of day.
   */
  readonly state: unknown;
  readonly recipe: Recipe;
  /** The content of config.json. */
  readonly config: object;
  /** The text of tokenizer.json, to make the folder complete by itself. */
  readonly tokenizer?: string | undefined;
  /** The content of chat.json: how conversations are spelled to the model. */
  readonly chat?: object | undefined;
}

/** The file that says how conversations are spelled to a model. */
export const chatFormName = "chat.json";

const temporaryPrefix = ".tmp-";

/**
 * Saves a checkpoint as `checkpoints/step-00000123` of a run folder, so that a crash at any moment leaves every
 * checkpoint whole or absent: all is written into a temporary folder, synced, and renamed. Cleans up what earlier
 * crashes left, and at last deletes old checkpoints. One process at a time may save into a run folder.
 *
 * @param options.keep checkpoints to keep, 1 or more, 3 by default. Whatever it is, the one just saved and the newest
 *   whole one stay.
 * @returns the folder of the checkpoint.
 * @throws CaiError `E_ARGUMENT` for a state that is no JSON or a bad name, `E_IO` when the disk refuses; what was
 *   there before is still there then.
 */
export async function saveCheckpoint(
  runDir: string,
  content: CheckpointContent,
  options: { keep?: number } = {},
): Promise<string> {
  if (!Number.isSafeInteger(content.step) || content.step < 0) {
    throw new CaiError("E_ARGUMENT", "checkpoint", `expected a step of 0 or more, got ${content.step}`);
  }
  const root = checkpointsRoot(runDir);
  const name = checkpointName(content.step);
  const temporary = join(root, `${temporaryPrefix}${name}`);
  try {
    await mkdir(root, { recursive: true });
    await removeLeftovers(root);
    await mkdir(temporary);
    await writeContent(temporary, content);
    await moveIntoPlace(root, temporary, name);
    await deleteOld(runDir, content.step, options.keep ?? 3);
  } catch (error) {
    // What can't be removed now is removed at the next save; the first error is the one to tell.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (isCaiError(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CaiError("E_IO", "checkpoint", `step ${content.step} could not be saved (${reason})`, { cause: error });
  }
  return join(root, name);
}

/**
 * Deletes the checkpoints after a step. A run that goes on from an older checkpoint calls this first, or a crash
 * would bring it back to a later state of the run it left.
 */
export async function discardCheckpointsAfter(runDir: string, step: number): Promise<void> {
  for (const entry of (await listCheckpoints(runDir)).filter((checkpoint) => checkpoint.step > step)) {
    await removeWhole(checkpointsRoot(runDir), entry.dir);
  }
}

async function writeContent(dir: string, content: CheckpointContent): Promise<void> {
  const files: Record<string, FileDigest> = {};
  const metadata = { format: "pt", step: String(content.step) };
  for (const [file, tensors] of Object.entries(content.tensors)) {
    if (!/^[a-z][a-z0-9-]*$/.test(file)) {
      throw new CaiError("E_ARGUMENT", "checkpoint", `expected a lower-case file name, got ${JSON.stringify(file)}`);
    }
    files[`${file}.safetensors`] = await writeSafetensors(join(dir, `${file}.safetensors`), tensors, metadata);
  }
  files["state.json"] = await writeText(join(dir, "state.json"), canonicalJson(content.state, "state"));
  files["recipe.json"] = await writeText(join(dir, "recipe.json"), JSON.stringify(content.recipe, null, 2));
  files["config.json"] = await writeText(join(dir, "config.json"), JSON.stringify(content.config, null, 2));
  if (content.tokenizer !== undefined) {
    files["tokenizer.json"] = await writeText(join(dir, "tokenizer.json"), content.tokenizer);
  }
  if (content.chat !== undefined) {
    files[chatFormName] = await writeText(join(dir, chatFormName), JSON.stringify(content.chat, null, 2));
  }
  const manifest: Manifest = { format: formatName, version: formatVersion, step: content.step, files };
  await writeText(join(dir, manifestName), JSON.stringify(manifest, null, 2));
  await syncDirectory(dir);
}

async function writeText(path: string, text: string): Promise<FileDigest> {
  return await writeSynced(path, [new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`)]);
}

async function moveIntoPlace(root: string, temporary: string, name: string): Promise<void> {
  const place = join(root, name);
  const existed = (await namesIn(root)).includes(name);
  if (existed) await rename(place, place + replacedSuffix);
  await rename(temporary, place);
  await syncDirectory(root);
  if (existed) await removeWhole(root, place + replacedSuffix);
}

async function deleteOld(runDir: string, saved: number, keep: number): Promise<void> {
  const newestFirst = (await listCheckpoints(runDir)).reverse();
  const doomed = newestFirst.slice(Math.max(1, keep)).filter(({ step }) => step !== saved);
  if (doomed.length === 0) return;
  const good = newestFirst[0]?.step === saved ? saved : (await newestGoodCheckpoint(runDir)).newest?.step;
  for (const { dir, step } of doomed) if (step !== good) await removeWhole(checkpointsRoot(runDir), dir);
}

/** Deletes a folder; a crash in between leaves no half of it under its name. */
async function removeWhole(root: string, dir: string): Promise<void> {
  const aside = join(root, `${temporaryPrefix}removed`);
  await rm(aside, { recursive: true, force: true });
  await rename(dir, aside);
  await rm(aside, { recursive: true, force: true });
}

async function removeLeftovers(root: string): Promise<void> {
  const names = await namesIn(root);
  const isLeftover = (name: string) =>
    name.startsWith(temporaryPrefix) ||
    (name.endsWith(replacedSuffix) && names.includes(name.slice(0, -replacedSuffix.length)));
  for (const name of names.filter(isLeftover)) await rm(join(root, name), { recursive: true, force: true });
}
