import { checkArray, checkLength, checkOptions, checkWhole } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import type { MaskArrays, ViewOptions, VisibilityMask } from "../mask.js";
import { checkWindow, visibleRuns } from "../visible-runs.js";

export interface AdditiveOptions extends ViewOptions {
  /** What is added where a query does not see a key: −1e9 when absent. */
  readonly lowest?: number;
}

export interface DenseShape extends Pick<MaskArrays, "batchSize" | "positions" | "allowBlind"> {
  /** T. */
  readonly seqLen: number;
}

export function toDense(mask: VisibilityMask, options: ViewOptions = {}): Uint8Array {
  return scatter(mask, options, Uint8Array, 0, 1, "visibilityMask.toDense");
}

export function toAdditive(mask: VisibilityMask, options: AdditiveOptions = {}): Float32Array {
  const op = "visibilityMask.toAdditive";
  checkOptions(options, op);
  const { lowest = -1e9 } = options;
  if (!(lowest < 0)) throw new CaiError("E_ARGUMENT", op, `lowest must be a number below 0, got ${String(lowest)}`);
  return scatter(mask, options, Float32Array, lowest, 0, op);
}

/** [B, T, T] of `hidden`, with `visible` where a query sees a key. */
function scatter<A extends Uint8Array | Float32Array>(
  mask: VisibilityMask,
  options: ViewOptions,
  Type: new (length: number) => A,
  hidden: number,
  visible: number,
  op: string,
): A {
  checkOptions(options, op);
  const { window = 0 } = options;
  checkWindow(window, op);
  const { batchSize, seqLen } = mask;
  const dense = allocate(Type, batchSize * seqLen * seqLen, op);
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

function allocate<A>(Type: new (length: number) => A, length: number, op: string): A {
  try {
    return new Type(length);
  } catch (cause) {
    const advice = "take fewer rows, or blocks() instead of a dense mask";
    throw new CaiError("E_MEMORY", op, `no memory for the ${length} cells of a dense mask: ${advice}`, { cause });
  }
}

export function fromDense(dense: Uint8Array, shape: DenseShape): MaskArrays {
  const op = "visibilityMask.fromDense";
  checkOptions(shape, op);
  const { batchSize = 1, seqLen, positions, allowBlind } = shape;
  checkWhole(batchSize, "batchSize", 1, 2 ** 31 - 1, op);
  checkWhole(seqLen, "seqLen", 0, 2 ** 31 - 1, op);
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
      if (value > 1) {
        const place = `query ${i}, key ${j} of row ${row}`;
        throw new CaiError("E_ARGUMENT", op, `${place}: expected 0 or 1, got ${value}`);
      }
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
  const gap = `queries that see it are not one run (query ${hidden} does not, query ${again} does again)`;
  throw new CaiError("E_ARGUMENT", op, `token ${broken} of row ${row}: the ${gap}, which no start and limit can say`);
}
