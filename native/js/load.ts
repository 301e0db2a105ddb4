import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CaiError, isCaiError } from "@cai/portable/error";
import { checkSettings } from "./backend.js";

type NativeFunction = (...args: unknown[]) => unknown;
export type Addon = Readonly<Record<string, NativeFunction>>;

let addon: Addon | undefined;
let failure: CaiError | undefined;

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * The addon, loaded on first use; the environment is read then, once.
 *
 * @throws CaiError `E_LOAD` saying what was tried and what to do, or what `CAI_BACKEND` forbids; the same each time.
 */
export function loadAddon(): Addon {
  if (addon) return addon;
  if (failure) throw failure;
  try {
    checkSettings();
    const require = createRequire(import.meta.url);
    const find = require("node-gyp-build") as (directory: string) => Addon;
    addon = find(packageRoot);
    return addon;
  } catch (cause) {
    failure = isCaiError(cause) ? cause : new CaiError("E_LOAD", "native", explain(cause), { cause });
    throw failure;
  }
}

function explain(cause: unknown): string {
  const target = `${process.platform}-${process.arch}`;
  const places = [join(packageRoot, "build", "Release"), join(packageRoot, "prebuilds", target)];
  const tried = places.map((place) => `  ${place}: ${existsSync(place) ? "present, but did not load" : "absent"}`);
  return [
    `the native addon could not be loaded on ${target}, Node ${process.version}. Tried:`,
    ...tried,
    `  reason: ${cause instanceof Error ? cause.message.split("\n")[0] : String(cause)}`,
    "What to do: use a platform with a prebuilt addon (linux-x64 with glibc 2.34 or later), or build it with " +
      "`npm run build` in a clone of the repository.",
  ].join("\n");
}

/** Calls one native op by name. */
export function callNative<Result = void>(name: string, ...args: unknown[]): Result {
  const op = loadAddon()[name];
  if (!op) {
    throw new CaiError("E_LOAD", name, "this build of the addon lacks the op: rebuild it with `npm run build`");
  }
  return op(...args) as Result;
}
