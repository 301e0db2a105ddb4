import { checkList, checkWhole } from "@cai/portable/arguments";
import type { MaskArrays } from "../mask.js";
import { most, refuse } from "../refuse.js";

export type PositionedArrays = MaskArrays & { readonly positions: Int32Array };

export interface RowLength {
  /** T: padding makes up what the row has more than its parts; their sum when absent. */
  readonly seqLen?: number | undefined;
}

/** A row of padding, all at position 0. */
export function emptyRow(seqLen: number): PositionedArrays {
  return { start: new Int32Array(seqLen), limit: new Int32Array(seqLen), positions: new Int32Array(seqLen) };
}

/** Tokens [from, to) that see those before them of the run, each visible until `limit`, at positions from `position` on. */
export function fillRun(
  row: PositionedArrays,
  from: number,
  to: number,
  { limit = to, position = 0 }: { limit?: number; position?: number } = {},
): void {
  row.limit.fill(limit, from, to);
  for (let j = from; j < to; j++) {
    row.start[j] = j;
    row.positions[j] = position + j - from;
  }
}

/** Checks lengths from 1 each. @returns their ends, counted from `from`. */
export function endsOf(lengths: ArrayLike<number>, name: string, what: string, from: number, op: string): number[] {
  checkList(lengths, name, op);
  let end = from;
  return Array.from(lengths, (length, i) => {
    checkWhole(length, `the length of ${what} ${i}`, 1, most - end, op);
    end += length;
    return end;
  });
}

/** T of a row whose parts end at `ends`. @throws CaiError `E_ARGUMENT` naming the part that is beyond `seqLen`. */
export function rowLength(ends: readonly number[], { seqLen }: RowLength, what: string, op: string): number {
  const total = ends.at(-1) ?? 0;
  if (seqLen === undefined) return total;
  checkWhole(seqLen, "seqLen", 0, most, op);
  if (total <= seqLen) return seqLen;
  const part = ends.findIndex((end) => end > seqLen);
  const advice = "leave it out or take a longer row";
  refuse(op, `${what} ${part} ends at token ${ends[part]}, beyond seqLen ${seqLen}: ${advice}`);
}
