import { createRequire } from "node:module";
import { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
import { adaptNative, type NativeSquinch } from "./native-adapter.js";
import type { BlockOps } from "./native-ops.js";

interface NativePackage extends Partial<NativeSquinch> {
  backendInfo?(): { readonly backend: string; readonly reason?: string };
}

const wishes = ["portable", "cpu", "cuda", "auto"];

/**
 * The operations of `@cai/native`, or undefined where `CAI_BACKEND` is `portable`, or unset or `auto` and it can't be had.
 *
 * @throws CaiError `E_CONFIG` for a `CAI_BACKEND` that names nothing; `E_LOAD` or `E_DEVICE` for one that can't be had.
 */
export function loadNative(): BlockOps | undefined {
  const wish = process.env.CAI_BACKEND || "auto";
  if (!wishes.includes(wish)) {
    throw new CaiError("E_CONFIG", "squinch", `CAI_BACKEND must be ${wishes.join(", ")} or unset, got "${wish}"`);
  }
  if (wish === "portable") return undefined;
  if (wish === "cuda") {
    const message =
      "CAI_BACKEND=cuda can't be had: squinch has no CUDA code. Set it to cpu, or to auto for the best there is";
    throw new CaiError("E_DEVICE", "squinch", message);
  }
  try {
    return checked(createRequire(import.meta.url)("@cai/native") as NativePackage);
  } catch (cause) {
    if (wish === "auto") return undefined;
    throw explained(cause);
  }
}

function checked(found: NativePackage): BlockOps {
  const info = found.backendInfo?.();
  if (info?.backend !== "cpu") throw new CaiError("E_LOAD", "squinch", info?.reason ?? "@cai/native tells no backend");
  const { squinchEncode, squinchDecode, float32ToBf16, bf16ToFloat32 } = found;
  if (!squinchEncode || !squinchDecode || !float32ToBf16 || !bf16ToFloat32) {
    throw new CaiError("E_LOAD", "squinch", "this @cai/native has no squinch operations: update it");
  }
  return adaptNative({ squinchEncode, squinchDecode, float32ToBf16, bf16ToFloat32 });
}

function explained(cause: unknown): CaiError {
  const code: CaiErrorCode = isCaiError(cause) ? cause.code : "E_LOAD";
  const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  const message = `CAI_BACKEND=cpu needs @cai/native, which could not be used (${reason}): install it, or set auto`;
  return new CaiError(code, "squinch", message, { cause });
}
