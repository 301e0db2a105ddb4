import { type Backend, NativeSlot } from "@cai/portable/native-slot";
import type { AttentionOps } from "./job.js";
import { portableOps } from "./portable/operations.js";

export type { Backend };

// Marked pure, so that bundles without its users leave it out.
const native = /* @__PURE__ */ new NativeSlot<AttentionOps>();

/** Tells how to find native code; the entry for Node does, others leave it. */
export function registerNative(load: () => AttentionOps | undefined): void {
  native.register(load);
}

/** The operations of this process. */
export function attentionOps(): AttentionOps {
  return native.ops ?? portableOps;
}

/**
 * What computes attention in this process: under Node `@cai/native` where it is installed and loads, unless
 * `CAI_BACKEND=portable` forbids it.
 *
 * @throws CaiError when `CAI_BACKEND` asks for what can't be had (`E_LOAD`, `E_DEVICE`) or names nothing (`E_CONFIG`).
 */
export function backend(): Backend {
  return native.backend;
}
