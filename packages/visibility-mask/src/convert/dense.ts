import { checkArray, checkLength, checkOptions, checkWhole, describe } from "@cai/portable/arguments";
import type { MaskArrays, ViewOptions, VisibilityMask } from "../mask.js";
import { allocate, most, refuse, refuseToken, windowOf } from "../refuse.js";
import { visibleRuns } from "../visible-runs.js";

export interface AdditiveOptions extends ViewOptions {
  /** What is added where a query does not see a key: −1e9 when absent. */
  readonly lowest?: number;
}

export interface DenseShape extends Pick<MaskArrays, "batchSize" | "positions" | "allowBlind"> {
  /** T. */
  readonly seqLen: number;
}

export function toDense(mask: VisibilityMask, options: ViewOptions = {}): Uint8Array {
  const op = "visibilityMask.toDense";
  return scatter(mask, windowOf(options, op), Uint8Array, [0, 1], op);
}

export function toAdditive(mask: VisibilityMask, options: AdditiveOptions = {}): Float32Array {
  const op = "visibilityMask.toAdditive";
  const window = windowOf(options, op);
  const { lowest = -1e9 } = options;
  if (!(lowest < 0)) refuse(op, `lowest must be a number below 0, got ${describe(lowest)}`);
  return scatter(mask, window, Float32Array, [lowest, 0], op);
}

/** [B, T, T] with `visible` where a query sees a key, else `hidden`. */
function scatter<A extends Uint8Array | Float32Array>(
  mask: VisibilityMask,
  window: number,
  Type: new (length: number) => A,
  [hidden, visible]: readonly [number, number],
  op: string,
): A {
  const { batchSize, seqLen } = mask;
  const dense = allocate(Type, batchSize * seqLen * seqLen, "cells: use blocks()", op);
  if (hidden !== 0) dense.fill(hidden);
  for (let row = 0; row < batchSize; row++) {
    const runsOf = visibleRuns(mask, row, window);
    for (let key = 0; key < seqLen; key++) {
      runsOf(key, (from, to) => {
        for (let i = from; i < to; i++) dense[(row * seqLen + i) * seqLen + key] = visible;
      });
    }
  }
  return dense;
}

export function fromDense(dense: Uint8Array, shape: DenseShape): MaskArrays {
  const op = "visibilityMask.fromDense";
  checkOptions(shape, op);
  const { batchSize = 1, seqLen, positions, allowBlind } = shape;
  checkWhole(batchSize, "batchSize", 1, most, op);
  checkWhole(seqLen, "seqLen", 0, most, op);
  checkArray(dense, "dense", ["Uint8Array"], op);
  checkLength(dense, "dense", batchSize * seqLen * seqLen, "batchSize · seqLen · seqLen", op);
  const start = new Int32Array(batchSize * seqLen);
  const limit = new Int32Array(batchSize * seqLen);
  for (let row = 0; row < batchSize; row++) readRow(dense, seqLen, row, start, limit, op);
  return { start, limit, positions, batchSize, allowBlind: allowBlind ?? false };
}

function readRow(
  dense: Uint8Array,
  seqLen: number,
  row: number,
  start: Int32Array,
  limit: Int32Array,
  op: string,
): void {
  let broken = seqLen;
  for (let i = 0, cell = row * seqLen * seqLen; i < seqLen; i++) {
    for (let j = 0, key = row * seqLen; j < seqLen; j++, key++, cell++) {
      const value = dense[cell] as number;
      if (value === 0) continue;
      if (value > 1) refuse(op, `query ${i}, key ${j} of row ${row}: expected 0 or 1, got ${value}`);
      if (limit[key] === 0) start[key] = i;
      else if (limit[key] !== i && j < broken) broken = j;
      limit[key] = i + 1;
    }
  }
  if (broken === seqLen) return;
  const sees = (i: number) => dense[(row * seqLen + i) * seqLen + broken] === 1;
  let hidden = start[row * seqLen + broken] as number;
  while (sees(hidden)) hidden++;
  let again = hidden;
  while (!sees(again)) again++;
  const gap = `query ${hidden} does not see it, but queries before and after do (query ${again})`;
  refuseToken(op, broken, row, `${gap}: only one run of queries can be said`);
}
