import type { AttentionOps } from "./native-adapter.js";

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

/** The native operations, where there are any. */
export function nativeOps(): AttentionOps | undefined {
  if (!loaded) {
    native = load();
    loaded = true;
  }
  return native;
}

/** What computes attention in this process. @throws CaiError when `CAI_BACKEND` asks for what can't be had. */
export function backend(): Backend {
  return nativeOps() ? "cpu" : "portable";
}
