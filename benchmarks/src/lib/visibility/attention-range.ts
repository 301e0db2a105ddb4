import { type AttentionCheck, checkAttention } from "./attention-checks.js";
import { bruteForce, knownMask, knownWindow } from "./known-masks.js";
import type { View } from "./mask-checks.js";

/** Masks `first` to `first + count` − 1. */
export interface MaskRange {
  readonly first: number;
  readonly count: number;
}

export interface RangeReport {
  /** For each mask the checks that failed in either view. */
  readonly failed: readonly (readonly string[])[];
  readonly forwardDiff: number;
  readonly backwardDiff: number;
}

/** A mask without and with a window. */
export function viewsOf(index: number): View[] {
  const known = knownMask(index);
  return [0, knownWindow(index)].map((window) => ({ mask: known.mask, window, dense: bruteForce(known, window) }));
}

/** Attention over a range of masks, by what computes it in this process. */
export function checkRange({ first, count }: MaskRange): RangeReport {
  const failed: string[][] = [];
  const all: AttentionCheck[] = [];
  for (let index = first; index < first + count; index++) {
    const checks = viewsOf(index).map((view) => checkAttention(view, index));
    failed.push([...new Set(checks.flatMap((check) => check.failed))]);
    all.push(...checks);
  }
  return {
    failed,
    forwardDiff: Math.max(...all.map(({ forwardDiff }) => forwardDiff)),
    backwardDiff: Math.max(...all.map(({ backwardDiff }) => backwardDiff)),
  };
}
