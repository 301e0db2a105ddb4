import { checkArray, checkLength, checkOptions, describe } from "@cai/portable/arguments";
import type { MaskArrays } from "./mask.js";
import { refuse, refuseToken } from "./refuse.js";

const op = "visibilityMask";

interface CheckedArrays extends Pick<MaskArrays, "start" | "limit" | "positions"> {
  readonly batchSize: number;
  readonly seqLen: number;
}

/** Checks everything about a mask's arrays in O(n). @returns what has been checked: a second look may find something else. */
export function checkMask(arrays: MaskArrays): CheckedArrays {
  checkOptions(arrays, op);
  const { start, limit, positions, batchSize = 1, allowBlind = false } = arrays;
  checkArray(start, "start", ["Int32Array"], op);
  checkArray(limit, "limit", ["Int32Array"], op);
  checkLength(limit, "limit", start.length, "those of start", op);
  if (!Number.isInteger(batchSize) || batchSize < 1 || start.length % batchSize !== 0) {
    const expected = `a whole number from 1 that divides the ${start.length} tokens`;
    refuse(op, `batchSize must be ${expected}, got ${describe(batchSize)}`, "E_SHAPE");
  }
  const seqLen = start.length / batchSize;
  for (let row = 0; row < batchSize; row++) {
    const part = (array: Int32Array) => array.subarray(row * seqLen, (row + 1) * seqLen);
    checkIntervals(part(start), part(limit), row);
    if (!allowBlind) checkSight(part(start), part(limit), row);
  }
  if (positions !== undefined) checkPositions(positions, batchSize, seqLen);
  return { start, limit, positions, batchSize, seqLen };
}

function checkIntervals(start: Int32Array, limit: Int32Array, row: number): void {
  const seqLen = start.length;
  for (let j = 0; j < seqLen; j++) {
    const [from, to] = [start[j] as number, limit[j] as number];
    if (from >= 0 && from <= to && to <= seqLen) continue;
    const expected = `0 ≤ start ≤ limit ≤ ${seqLen}`;
    refuseToken(op, j, row, `expected ${expected}, got start ${from}, limit ${to}`);
  }
}

/** Counts for every query the keys that it sees, by where intervals begin and end. */
function checkSight(start: Int32Array, limit: Int32Array, row: number): void {
  const change = new Int32Array(start.length + 1);
  for (let j = 0; j < start.length; j++) {
    change[start[j] as number] = (change[start[j] as number] as number) + 1;
    change[limit[j] as number] = (change[limit[j] as number] as number) - 1;
  }
  for (let i = 0, seen = 0; i < start.length; i++) {
    seen += change[i] as number;
    const isPadding = start[i] === 0 && limit[i] === 0;
    if (seen > 0 || isPadding) continue;
    const advice = "give it a key, make it padding (start and limit 0), or set allowBlind";
    refuseToken(op, i, row, `it sees nobody: ${advice}`);
  }
}

function checkPositions(positions: Int32Array, batchSize: number, seqLen: number): void {
  checkArray(positions, "positions", ["Int32Array"], op);
  checkLength(positions, "positions", batchSize * seqLen, "those of start", op);
  const bad = positions.findIndex((position) => position < 0);
  if (bad < 0) return;
  const expected = `expected a position of at least 0, got ${positions[bad]}`;
  refuseToken(op, bad % seqLen, Math.floor(bad / seqLen), expected);
}
