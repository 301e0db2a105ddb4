import type { VisibilityMask } from "./mask.js";

/** Takes the queries [from, to). */
export type RunVisitor = (from: number, to: number) => void;

/**
 * Looks up who sees a key of one row: every longest run of queries, in order. Without a window there is one at most; with
 * one, time is in proportion to the stretches of positions that count up by one, which a branch each ends.
 */
export function visibleRuns(
  mask: VisibilityMask,
  row: number,
  window: number,
): (key: number, visit: RunVisitor) => void {
  const { seqLen } = mask;
  const at = row * seqLen;
  const start = mask.start.subarray(at, at + seqLen);
  const limit = mask.limit.subarray(at, at + seqLen);
  const positions = mask.positions?.subarray(at, at + seqLen);
  if (window === 0) {
    return (key, visit) => {
      const [from, to] = [start[key] as number, limit[key] as number];
      if (from < to) visit(from, to);
    };
  }
  if (!positions) {
    return (key, visit) => {
      const from = Math.max(start[key] as number, key);
      const to = Math.min(limit[key] as number, key + window);
      if (from < to) visit(from, to);
    };
  }
  const stretchEnd = stretchEnds(positions);
  return (key, visit) => {
    const [own, to] = [positions[key] as number, limit[key] as number];
    let [begin, end] = [0, 0];
    for (let i = start[key] as number; i < to; i = stretchEnd[i] as number) {
      const ahead = own - (positions[i] as number);
      const first = i + Math.max(ahead, 0);
      const last = Math.min(i + ahead + window, stretchEnd[i] as number, to);
      if (first >= last) continue;
      if (first > end || end === 0) {
        if (begin < end) visit(begin, end);
        begin = first;
      }
      end = last;
    }
    if (begin < end) visit(begin, end);
  };
}

/** For every token the end of the stretch around it in which positions count up by one. */
function stretchEnds(positions: Int32Array): Int32Array {
  const ends = new Int32Array(positions.length);
  for (let i = positions.length - 1, end = positions.length; i >= 0; i--) {
    ends[i] = end;
    if (i > 0 && positions[i] !== (positions[i - 1] as number) + 1) end = i;
  }
  return ends;
}
