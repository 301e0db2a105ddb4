import { isCaiError } from "@cai/portable/error";
import { type BackendWish, backendWish, cudaReason } from "./backend.js";
import { callNative } from "./load.js";

/** One backend that was considered, and why it is not in use where it isn't. */
export interface BackendAttempt {
  readonly backend: "cpu" | "cuda";
  readonly available: boolean;
  readonly reason?: string;
}

/** What runs the ops of this process, and why. */
export interface BackendInfo {
  /** `cpu` when the addon is loaded, `none` when it is not. */
  readonly backend: "cpu" | "none";
  /** What `CAI_BACKEND` asks for, if it names a backend. */
  readonly wish?: BackendWish;
  /** The instruction set in use: `amx`, `avx512`, `avx2`, `neon` or `baseline`. */
  readonly cpuTarget?: string;
  readonly threads?: number;
  /** What was tried, best first. */
  readonly tried: readonly BackendAttempt[];
  /** Why there is no backend. */
  readonly reason?: string;
}

/** Tells which backend this process has and what was tried, loading the addon if need be. Never throws. */
export function backendInfo(): BackendInfo {
  const wish = wishOrNothing();
  const cuda: BackendAttempt[] = wish === "cuda" || wish === "auto" ? [without("cuda", cudaReason)] : [];
  try {
    const cpuTarget = callNative<string>("cpuTarget");
    return { backend: "cpu", ...(wish && { wish }), cpuTarget, threads: threads(), tried: [...cuda, cpuAvailable] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const cpu = wish === "cpu" || wish === "auto" ? [without("cpu", reason)] : [];
    return { backend: "none", ...(wish && { wish }), tried: [...cuda, ...cpu], reason };
  }
}

const cpuAvailable: BackendAttempt = { backend: "cpu", available: true };

function without(backend: "cpu" | "cuda", reason: string): BackendAttempt {
  return { backend, available: false, reason };
}

function wishOrNothing(): BackendWish | undefined {
  try {
    return backendWish();
  } catch (error) {
    if (!isCaiError(error)) throw error;
    return undefined;
  }
}

/**
 * Sets how many threads the ops of this process use, the calling one included.
 *
 * Results are bitwise repeatable for a given number. @param count 1 to 256; all cores at the start.
 * @throws CaiError `E_ARGUMENT`.
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
 * It belongs to the thread that asked, can't be transferred to another, and goes back to the system after collection, at
 * the earliest on the next turn of the event loop.
 *
 * @param bytes size, 0 to 2³² (4 GiB, the most that Node 20 takes).
 * @throws CaiError `E_MEMORY`, `E_ARGUMENT`.
 */
export function allocateAligned(bytes: number): ArrayBuffer {
  return callNative<ArrayBuffer>("allocateAligned", bytes);
}
