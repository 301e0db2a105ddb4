import type { MaskArrays, VisibilityMask } from "../mask.js";
import { refuseToken, windowOf } from "../refuse.js";
import { visibleRuns } from "../visible-runs.js";

/** start and limit with the window in them. */
export function withWindow(mask: VisibilityMask, window: number, op = "visibilityMask.withWindow"): MaskArrays {
  windowOf({ window }, op);
  const { batchSize, seqLen, positions } = mask;
  const start = new Int32Array(batchSize * seqLen);
  const limit = new Int32Array(batchSize * seqLen);
  for (let row = 0; row < batchSize; row++) {
    const runsOf = visibleRuns(mask, row, window);
    for (let key = 0; key < seqLen; key++) {
      const at = row * seqLen + key;
      runsOf(key, (from, to) => {
        if (limit[at]) {
          const runs = `the queries within window ${window} of it end at ${limit[at]} and go on at ${from}`;
          const advice = "a window on branches is no interval; keep the mask and give the window to what reads it";
          refuseToken(op, key, row, `${runs}; ${advice}`);
        }
        start[at] = from;
        limit[at] = to;
      });
    }
  }
  // Where a window leaves a query nobody, it was asked for.
  return { start, limit, positions, batchSize, allowBlind: true };
}
