import { checkWhole } from "@cai/portable/arguments";
import type { ViewOptions, VisibilityMask } from "./mask.js";
import { allocate, most, windowOf } from "./refuse.js";
import { visibleRuns } from "./visible-runs.js";

export interface BlockOptions extends ViewOptions {
  /** Queries a block, 64 when absent. */
  readonly queryBlock?: number;
  /** Keys a block, 64 when absent. */
  readonly keyBlock?: number;
}

/** Which blocks of queries and keys an attention may skip, and which need no mask. */
export interface Blocks {
  readonly queryBlock: number;
  readonly keyBlock: number;
  /** ceil(T / queryBlock). */
  readonly rows: number;
  /** ceil(T / keyBlock). */
  readonly columns: number;
  /** [B, rows, columns]: 0 where nobody sees anybody, 2 where everybody sees everybody, 1 for the rest. Exact, always. */
  readonly kinds: Uint8Array;
}

export function blocks(mask: VisibilityMask, options: BlockOptions = {}): Blocks {
  const op = "visibilityMask.blocks";
  const window = windowOf(options, op);
  const { queryBlock = 64, keyBlock = 64 } = options;
  checkWhole(queryBlock, "queryBlock", 1, most, op);
  checkWhole(keyBlock, "keyBlock", 1, most, op);
  const { batchSize, seqLen } = mask;
  const [rows, columns] = [Math.ceil(seqLen / queryBlock), Math.ceil(seqLen / keyBlock)];
  const kinds = allocate(Uint8Array, batchSize * rows * columns, "blocks: take larger ones", op);
  for (let b = 0; b < batchSize; b++) {
    countBlocks(mask, { row: b, queryBlock, keyBlock, window }, (column, cells) => {
      const keys = Math.min(keyBlock, seqLen - column * keyBlock);
      for (let r = 0; r < rows; r++) {
        const area = keys * Math.min(queryBlock, seqLen - r * queryBlock);
        kinds[(b * rows + r) * columns + column] = cells[r] === 0 ? 0 : cells[r] === area ? 2 : 1;
      }
    });
  }
  return { queryBlock, keyBlock, rows, columns, kinds };
}

/** Counts the visible cells of every block, a column of blocks at a time, in memory for one column. */
export function countBlocks(
  mask: VisibilityMask,
  shape: Required<BlockOptions> & { readonly row: number },
  take: (column: number, cells: Float64Array) => void,
): void {
  const { row, queryBlock, keyBlock, window } = shape;
  const rows = Math.ceil(mask.seqLen / queryBlock);
  const runsOf = visibleRuns(mask, row, window);
  const cells = new Float64Array(rows);
  // Where runs begin and end to cover whole blocks: the sum up to a block is how many cover it.
  const whole = new Float64Array(rows + 1);
  const add = (array: Float64Array, i: number, value: number) => {
    array[i] = (array[i] as number) + value;
  };
  const count = (from: number, to: number) => {
    const [first, last] = [Math.floor(from / queryBlock), Math.floor((to - 1) / queryBlock)];
    if (first === last) return add(cells, first, to - from);
    add(cells, first, (first + 1) * queryBlock - from);
    add(cells, last, to - last * queryBlock);
    add(whole, first + 1, 1);
    add(whole, last, -1);
  };
  for (let column = 0; column * keyBlock < mask.seqLen; column++) {
    cells.fill(0);
    whole.fill(0);
    const end = Math.min((column + 1) * keyBlock, mask.seqLen);
    for (let key = column * keyBlock; key < end; key++) runsOf(key, count);
    for (let r = 0, covering = 0; r < rows; r++) {
      covering += whole[r] as number;
      add(cells, r, covering * queryBlock);
    }
    take(column, cells);
  }
}

/** How many pairs of query and key there are of which one sees the other, over all rows; O(T) memory. */
export function visibleCells(mask: VisibilityMask, options: ViewOptions = {}): number {
  const window = windowOf(options, "visibilityMask.visibleCells");
  let total = 0;
  const count = (from: number, to: number) => {
    total += to - from;
  };
  for (let row = 0; row < mask.batchSize; row++) {
    const runsOf = visibleRuns(mask, row, window);
    for (let key = 0; key < mask.seqLen; key++) runsOf(key, count);
  }
  return total;
}
