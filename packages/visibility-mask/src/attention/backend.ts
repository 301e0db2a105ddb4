import type { AttentionOps } from "./job.js";
import { portableOps } from "./portable/operations.js";

/** What computes attention: plain TypeScript, or `@cai/native` on the CPU. */
export type Backend = "portable" | "cpu";

let load: () => AttentionOps | undefined = () => undefined;
let native: AttentionOps | undefined;
let loaded = false;

/** Tells how to find native code; the entry for Node does, others leave it. */
export function registerNative(loader: () => AttentionOps | undefined): void {
  load = loader;
  loaded = false;
}

function nativeOps(): AttentionOps | undefined {
  if (!loaded) {
    native = load();
    loaded = true;
  }
  return native;
}

/** The operations of this process. */
export function attentionOps(): AttentionOps {
  return nativeOps() ?? portableOps;
}

/**
 * What computes attention in this process: under Node `@cai/native` where it is installed and loads, unless
 * `CAI_BACKEND=portable` forbids it.
 *
 * @throws CaiError when `CAI_BACKEND` asks for what can't be had (`E_LOAD`, `E_DEVICE`) or names nothing (`E_CONFIG`).
 */
export function backend(): Backend {
  return nativeOps() ? "cpu" : "portable";
}
