import type { BlockOps } from "./native-ops.js";
import { portableOps } from "./portable/operations.js";

/** What encodes and decodes: plain TypeScript, or `@cai/native` on the CPU. */
export type Backend = "portable" | "cpu";

/** Below this many values a native call costs more than it saves. */
const nativeFrom = 4096;

let load: () => BlockOps | undefined = () => undefined;
let native: BlockOps | undefined;
let loaded = false;

/** Tells how to find native code; the entry for Node does, others leave it. */
export function registerNative(loader: () => BlockOps | undefined): void {
  load = loader;
  loaded = false;
}

function nativeOps(): BlockOps | undefined {
  if (!loaded) {
    native = load();
    loaded = true;
  }
  return native;
}

/**
 * What encodes and decodes long vectors in this process; both give the same bytes.
 *
 * Under Node, `@cai/native` where it is installed and loads, unless `CAI_BACKEND=portable` forbids it.
 *
 * @throws CaiError when `CAI_BACKEND` asks for what can't be had (`E_LOAD`, `E_DEVICE`) or names nothing (`E_CONFIG`).
 */
export function backend(): Backend {
  return nativeOps() ? "cpu" : "portable";
}

/** The operations for a vector of n values. */
export function operationsFor(n: number): BlockOps {
  return n < nativeFrom ? portableOps : (nativeOps() ?? portableOps);
}
