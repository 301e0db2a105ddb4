import { checkOptions } from "@cai/portable/arguments";
import type { MaskArrays, VisibilityMask } from "../mask.js";
import { most, refuse } from "../refuse.js";
import { emptyRow, type RowLength, rowLength } from "./runs.js";

/** Segments one after another in one row: intervals move along, positions stay as they are in each segment. */
export function concat(masks: readonly VisibilityMask[], options: RowLength = {}): MaskArrays {
  const op = "visibilityMask.concat";
  checkOptions(options, op);
  checkMasks(masks, op);
  let total = 0;
  const ends = masks.map(({ batchSize, seqLen }, i) => {
    if (batchSize !== 1) refuse(op, `mask ${i} must have one row, got ${batchSize}: take them apart`, "E_SHAPE");
    total += seqLen;
    return total;
  });
  if (total > most) refuse(op, `a row has at most ${most} tokens, got ${total}`, "E_SHAPE");
  const row = emptyRow(rowLength(ends, options, "mask", op));
  masks.forEach((mask, i) => {
    append(mask, (ends[i] as number) - mask.seqLen, row);
  });
  // The segments have been checked, and some may have asked for tokens that see nobody.
  return { ...row, allowBlind: true };
}

function append(mask: VisibilityMask, at: number, row: ReturnType<typeof emptyRow>): void {
  for (let j = 0; j < mask.seqLen; j++) {
    const isPadding = mask.limit[j] === 0;
    row.start[at + j] = isPadding ? 0 : at + (mask.start[j] as number);
    row.limit[at + j] = isPadding ? 0 : at + (mask.limit[j] as number);
    row.positions[at + j] = mask.position(j);
  }
}

/** The rows of all masks as one batch. */
export function stack(masks: readonly VisibilityMask[]): MaskArrays {
  const op = "visibilityMask.stack";
  checkMasks(masks, op);
  const seqLen = masks[0]?.seqLen;
  if (seqLen === undefined) refuse(op, "masks must hold at least one mask, got none");
  const odd = masks.findIndex((mask) => mask.seqLen !== seqLen);
  if (odd >= 0) {
    const got = `mask ${odd} has ${masks[odd]?.seqLen}`;
    refuse(op, `expected ${seqLen} tokens a row, as in mask 0; ${got}: pad with concat first`, "E_SHAPE");
  }
  const batchSize = masks.reduce((sum, mask) => sum + mask.batchSize, 0);
  const join = (part: (mask: VisibilityMask) => Int32Array) => {
    const all = new Int32Array(batchSize * seqLen);
    let at = 0;
    for (const mask of masks) {
      all.set(part(mask), at);
      at += mask.start.length;
    }
    return all;
  };
  const positions = masks.some((mask) => mask.positions) ? join(positionsOf) : undefined;
  return {
    start: join((mask) => mask.start),
    limit: join((mask) => mask.limit),
    positions,
    batchSize,
    allowBlind: true,
  };
}

function positionsOf({ positions, start, seqLen }: VisibilityMask): Int32Array {
  return positions ?? start.map((_, i) => i % seqLen);
}

function checkMasks(masks: unknown, op: string): void {
  if (!Array.isArray(masks)) refuse(op, "masks must be an array of VisibilityMask");
  const odd = masks.findIndex((mask) => !(mask?.start instanceof Int32Array && mask.limit instanceof Int32Array));
  if (odd >= 0) refuse(op, `masks must be an array of VisibilityMask; element ${odd} is none`);
}
