import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseRecipe } from "../config/parse.js";
import type { Recipe } from "../config/recipe.js";
import { type Manifest, refuse, verifyCheckpoint } from "./manifest.js";
import { SafetensorsFile } from "./safetensors-reader.js";

/** A checkpoint whose every file was held against its manifest. */
export interface LoadedCheckpoint {
  readonly dir: string;
  /** Optimiser steps done. */
  readonly step: number;
  readonly recipe: Recipe;
  /** The content of config.json. */
  readonly config: unknown;
  /** What the run saved as its state. */
  readonly state: unknown;
  /** Sha256 (hexadecimal) of tokenizer.json; absent when it has none. */
  readonly tokenizerSha256?: string | undefined;
  /** See {@link checkpointDigest}. */
  readonly digest: string;
  /** Opens `<file>.safetensors`, such as `model` or `optimizer`; the caller closes it. */
  readonly open: (file: string) => Promise<SafetensorsFile>;
}

/**
 * Verifies a checkpoint and reads all of it but the tensors.
 *
 * @throws CaiError `E_FORMAT` saying which file is missing, torn, truncated, changed, foreign or of a newer version;
 *   `E_IO` when there is no such directory.
 */
export async function loadCheckpoint(dir: string): Promise<LoadedCheckpoint> {
  const manifest = await verifyCheckpoint(dir);
  return {
    dir,
    step: manifest.step,
    recipe: await readRecipe(dir),
    config: await readJson(dir, "config.json"),
    state: await readJson(dir, "state.json"),
    tokenizerSha256: manifest.files["tokenizer.json"]?.sha256,
    digest: digestOf(manifest),
    open: (file) => SafetensorsFile.open(join(dir, `${file}.safetensors`)),
  };
}

/**
 * One sha256 (hexadecimal) over tensors and state, the same for the same training state wherever and whenever it was
 * saved: recipe, config and tokenizer are not in it.
 *
 * @throws CaiError as {@link loadCheckpoint} does.
 */
export async function checkpointDigest(dir: string): Promise<string> {
  return digestOf(await verifyCheckpoint(dir));
}

function digestOf({ step, files }: Manifest): string {
  const hash = createHash("sha256").update(`step ${step}\n`);
  for (const name of Object.keys(files).sort()) {
    if (name.endsWith(".safetensors") || name === "state.json") hash.update(`${name} ${files[name]?.sha256}\n`);
  }
  return hash.digest("hex");
}

async function readRecipe(dir: string): Promise<Recipe> {
  const value = await readJson(dir, "recipe.json");
  try {
    return parseRecipe(value);
  } catch (cause) {
    return refuse(dir, `recipe.json is of another version: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
}

async function readJson(dir: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dir, name), "utf8")) as unknown;
  } catch (cause) {
    return refuse(dir, `${name} is no JSON`, cause);
  }
}
