import { loadNativePackage } from "@cai/portable/native-package";
import type { AttentionOps } from "./job.js";
import { adaptNative, type NativeAttention } from "./native-adapter.js";

/** The operations of `@cai/native`, or undefined where they are not wanted or can't be had; see {@link loadNativePackage}. */
export function loadNative(): AttentionOps | undefined {
  const found = loadNativePackage<NativeAttention>("visibilityMask", ["attentionForward", "attentionBackward"]);
  return found && adaptNative(found);
}
