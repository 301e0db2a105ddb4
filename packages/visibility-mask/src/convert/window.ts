import { CaiError } from "@cai/portable/error";
import type { MaskArrays, VisibilityMask } from "../mask.js";
import { checkWindow, visibleRuns } from "../visible-runs.js";

/** start and limit with the window in them. */
export function withWindow(mask: VisibilityMask, window: number, op = "visibilityMask.withWindow"): MaskArrays {
  checkWindow(window, op);
  const { batchSize, seqLen, positions } = mask;
  const start = new Int32Array(batchSize * seqLen);
  const limit = new Int32Array(batchSize * seqLen);
  for (let row = 0; row < batchSize; row++) {
    const runsOf = visibleRuns(mask, row, window);
    for (let key = 0; key < seqLen; key++) {
      const at = row * seqLen + key;
      runsOf(key, (from, to) => {
        if ((limit[at] as number) > 0) refuse(key, row, window, limit[at] as number, from, op);
        start[at] = from;
        limit[at] = to;
      });
    }
  }
  // Where a window leaves a query nobody, it was asked for.
  return { start, limit, positions, batchSize, allowBlind: true };
}

function refuse(key: number, row: number, window: number, end: number, again: number, op: string): never {
  const runs = `the queries within window ${window} of it end at ${end} and go on at ${again}`;
  const advice = "a window on branches is no interval; keep the mask and give the window to what reads it";
  throw new CaiError("E_ARGUMENT", op, `token ${key} of row ${row}: ${runs}; ${advice}`);
}
