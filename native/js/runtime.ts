import { isCaiError } from "./error.js";
import { callNative } from "./load.js";

/** What runs the ops of this process, and why. */
export interface BackendInfo {
  /** `cpu` when the addon is loaded, `none` when it is not. */
  readonly backend: "cpu" | "none";
  /** The instruction set in use: `avx512`, `avx2`, `neon` or `baseline`. */
  readonly cpuTarget?: string;
  readonly threads?: number;
  /** Why there is no backend. */
  readonly reason?: string;
}

/** Tells which backend this process has. Never throws. */
export function backendInfo(): BackendInfo {
  try {
    return { backend: "cpu", cpuTarget: callNative<string>("cpuTarget"), threads: threads() };
  } catch (error) {
    if (!isCaiError(error)) throw error;
    return { backend: "none", reason: error.message };
  }
}

/**
 * Sets how many threads the ops of this process use, the calling one included.
 *
 * Results are bitwise repeatable for a given number. @param count 1 to 256; all cores at the start.
 */
export function setThreads(count: number): void {
  callNative("setThreads", count);
}

/** How many threads the ops use. */
export function threads(): number {
  return callNative<number>("threads");
}

/**
 * Zeroed memory aligned to 2 MiB, on huge pages where the system has them.
 *
 * @param bytes size, 0 to 2^40. @throws CaiError `E_MEMORY`.
 */
export function allocateAligned(bytes: number): ArrayBuffer {
  return callNative<ArrayBuffer>("allocateAligned", bytes);
}
