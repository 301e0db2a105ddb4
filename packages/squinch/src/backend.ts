import { type Backend, NativeSlot } from "@cai/portable/native-slot";
import type { BlockOps } from "./native-ops.js";
import { portableOps } from "./portable/operations.js";

export type { Backend };

/** Below this many values a native call costs more than it saves. */
const nativeFrom = 4096;

// Marked pure, so that bundles without its users leave it out.
const native = /* @__PURE__ */ new NativeSlot<BlockOps>();

/** Tells how to find native code; the entry for Node does, others leave it. */
export function registerNative(load: () => BlockOps | undefined): void {
  native.register(load);
}

/**
 * What encodes and decodes long vectors in this process; both give the same bytes.
 *
 * Under Node, `@cai/native` where it is installed and loads, unless `CAI_BACKEND=portable` forbids it.
 *
 * @throws CaiError when `CAI_BACKEND` asks for what can't be had (`E_LOAD`, `E_DEVICE`) or names nothing (`E_CONFIG`).
 */
export function backend(): Backend {
  return native.backend;
}

/** The operations for a vector of n values. */
export function operationsFor(n: number): BlockOps {
  return n < nativeFrom ? portableOps : (native.ops ?? portableOps);
}
