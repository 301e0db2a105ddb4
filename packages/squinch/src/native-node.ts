import { loadNativePackage } from "@cai/portable/native-package";
import { adaptNative, type NativeSquinch } from "./native-adapter.js";
import type { BlockOps } from "./native-ops.js";

/** The operations of `@cai/native`, or undefined where they are not wanted or can't be had; see {@link loadNativePackage}. */
export function loadNative(): BlockOps | undefined {
  const names = ["squinchEncode", "squinchDecode", "float32ToBf16", "bf16ToFloat32"] as const;
  const found = loadNativePackage<NativeSquinch>("squinch", names);
  return found && adaptNative(found);
}
