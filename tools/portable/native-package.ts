import { createRequire } from "node:module";
import { CaiError, type CaiErrorCode, isCaiError } from "./error.js";

interface NativePackage {
  backendInfo?(): { readonly backend: string; readonly reason?: string };
}

const wishes = ["portable", "cpu", "cuda", "auto"];

/**
 * The named functions of `@cai/native`, or undefined where `CAI_BACKEND` is `portable`, or unset or `auto` and it can't be had.
 *
 * @param technique the package that asks, as errors name it.
 * @throws CaiError `E_CONFIG` for a `CAI_BACKEND` that names nothing; `E_LOAD` or `E_DEVICE` for one that can't be had.
 */
export function loadNativePackage<Ops extends object>(
  technique: string,
  names: readonly (keyof Ops & string)[],
): Ops | undefined {
  const wish = process.env.CAI_BACKEND || "auto";
  if (!wishes.includes(wish)) {
    throw new CaiError("E_CONFIG", technique, `CAI_BACKEND must be ${wishes.join(", ")} or unset, got "${wish}"`);
  }
  if (wish === "portable") return undefined;
  if (wish === "cuda") {
    const message = `CAI_BACKEND=cuda can't be had: ${technique} has no CUDA code. Set it to cpu, or to auto for the best there is`;
    throw new CaiError("E_DEVICE", technique, message);
  }
  try {
    return checked<Ops>(technique, names, createRequire(import.meta.url)("@cai/native") as NativePackage);
  } catch (cause) {
    if (wish === "auto") return undefined;
    throw explained(technique, cause);
  }
}

function checked<Ops extends object>(
  technique: string,
  names: readonly (keyof Ops & string)[],
  found: NativePackage,
): Ops {
  const info = found.backendInfo?.();
  if (info?.backend !== "cpu") throw new CaiError("E_LOAD", technique, info?.reason ?? "@cai/native tells no backend");
  const missing = names.find((name) => !(name in found));
  if (missing) throw new CaiError("E_LOAD", technique, `this @cai/native has no ${missing}: update it`);
  return found as Ops;
}

function explained(technique: string, cause: unknown): CaiError {
  const code: CaiErrorCode = isCaiError(cause) ? cause.code : "E_LOAD";
  const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  const message = `CAI_BACKEND=cpu needs @cai/native, which could not be used (${reason}): install it, or set auto`;
  return new CaiError(code, technique, message, { cause });
}
