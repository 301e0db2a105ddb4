import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { z } from "zod";
import { digestFile } from "./synced-file.js";

/*
 * manifest.json is written last and names every other file of a checkpoint with its size and sha256. A folder without
 * one is no checkpoint. A reader refuses a version that is newer than its own.
 */

export const manifestName = "manifest.json";
export const formatName = "cai-checkpoint";
export const formatVersion = 1;

const requiredFiles = ["model.safetensors", "optimizer.safetensors", "state.json", "recipe.json", "config.json"];

const identitySchema = z.object({ format: z.literal(formatName), version: z.int().min(1) });

const manifestSchema = z.strictObject({
  format: z.literal(formatName),
  version: z.literal(formatVersion),
  step: z.int().min(0),
  files: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]*\.(safetensors|json)$/),
      z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
    )
    .refine((files) => requiredFiles.every((name) => Object.hasOwn(files, name)), "a required file is not listed"),
});

export type Manifest = z.infer<typeof manifestSchema>;

/**
 * Reads the manifest of a checkpoint and holds every file against it.
 *
 * @throws CaiError `E_FORMAT` saying which file is missing, torn, truncated, changed, foreign or of a newer version;
 *   `E_IO` when there is no such directory.
 */
export async function verifyCheckpoint(dir: string): Promise<Manifest> {
  const manifest = await readManifest(dir);
  for (const [name, expected] of Object.entries(manifest.files)) {
    const size = await sizeOrUndefined(join(dir, name));
    if (size === undefined) refuse(dir, `${name} is missing`);
    else if (size < expected.bytes) refuse(dir, `${name} is truncated: expected ${expected.bytes} bytes, got ${size}`);
    else if (size > expected.bytes) refuse(dir, `${name} has grown: expected ${expected.bytes} bytes, got ${size}`);
    const { sha256 } = await digestFile(join(dir, name));
    if (sha256 !== expected.sha256) {
      refuse(dir, `${name} is corrupt: expected sha256 ${expected.sha256}, got ${sha256}`);
    }
  }
  return manifest;
}

/** Throws the `E_FORMAT` of a checkpoint. */
export function refuse(dir: string, reason: string, cause?: unknown): never {
  throw new CaiError("E_FORMAT", "checkpoint", `${dir}: ${reason}`, { cause });
}

async function readManifest(dir: string): Promise<Manifest> {
  const value = parseManifest(dir, await readManifestText(dir));
  const identity = identitySchema.safeParse(value);
  if (!identity.success)
    return refuse(dir, `${manifestName} is foreign: expected format "${formatName}" and a version`);
  const { version } = identity.data;
  if (version > formatVersion) {
    refuse(
      dir,
      `format version ${version} is newer than ${formatVersion}, the newest known here: use a newer @cai/trainer`,
    );
  }
  const manifest = manifestSchema.safeParse(value);
  if (manifest.success) return manifest.data;
  const issue = manifest.error.issues[0];
  return refuse(dir, `${manifestName} is damaged (${issue?.path.join(".") || "top"}: ${issue?.message})`);
}

async function readManifestText(dir: string): Promise<string> {
  try {
    return await readFile(join(dir, manifestName), "utf8");
  } catch (cause) {
    if ((await sizeOrUndefined(dir)) === undefined) {
      throw new CaiError("E_IO", "checkpoint", `${dir}: no such directory`, { cause });
    }
    return refuse(dir, `${manifestName} is missing: no checkpoint, or one that was torn while it was written`, cause);
  }
}

function parseManifest(dir: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    return refuse(dir, `${manifestName} is torn: it is no whole JSON`, cause);
  }
}

async function sizeOrUndefined(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}
