// Whether what a mask says of itself is what brute force says.
import type { VisibilityMask } from "@cai/visibility-mask";

export interface View {
  readonly mask: VisibilityMask;
  /** 0: none. */
  readonly window: number;
  /** uint8 [B, T, T], by brute force. */
  readonly dense: Uint8Array;
}

export const maskChecks = {
  isVisible({ mask, window, dense }: View): boolean {
    const { batchSize, seqLen } = mask;
    return everyCell(batchSize, seqLen, (row, i, j, cell) => {
      return mask.isVisible(i, j, { row, window }) === (dense[cell] === 1);
    });
  },

  dense: ({ mask, window, dense }: View): boolean => equal(mask.toDense({ window }), dense),

  visibleCells({ mask, window, dense }: View): boolean {
    return mask.visibleCells({ window }) === dense.reduce((sum, cell) => sum + cell, 0);
  },

  blocks(view: View): boolean {
    return [
      [64, 64],
      [16, 16],
      [3, 7],
    ].every(([queryBlock = 1, keyBlock = 1]) => blocksAgree(view, queryBlock, keyBlock));
  },

  /** The export read as FlashMask reads it; none may be had exactly where some key's queries are not one run. */
  flashMask({ mask, window, dense }: View): boolean {
    let columns: ReturnType<VisibilityMask["toFlashMask"]>;
    try {
      columns = mask.toFlashMask({ window });
    } catch {
      return !isOneRunEach(mask, dense);
    }
    const { causal, startendRowIndices: bounds } = columns;
    return everyCell(mask.batchSize, mask.seqLen, (row, i, j, cell) => {
      const key = row * mask.seqLen + j;
      const [hiddenFrom, hiddenBefore] = causal ? [bounds[key], j] : [bounds[2 * key], bounds[2 * key + 1]];
      return (i >= (hiddenBefore as number) && i < (hiddenFrom as number)) === (dense[cell] === 1);
    });
  },
} satisfies Record<string, (view: View) => boolean>;

function everyCell(
  batchSize: number,
  seqLen: number,
  holds: (row: number, i: number, j: number, cell: number) => boolean,
): boolean {
  for (let cell = 0; cell < batchSize * seqLen * seqLen; cell++) {
    const query = Math.floor(cell / seqLen);
    if (!holds(Math.floor(query / seqLen), query % seqLen, cell % seqLen, cell)) return false;
  }
  return true;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function blocksAgree({ mask, window, dense }: View, queryBlock: number, keyBlock: number): boolean {
  const { rows, columns, kinds } = mask.blocks({ window, queryBlock, keyBlock });
  const { batchSize, seqLen } = mask;
  const [seen, area] = [new Int32Array(kinds.length), new Int32Array(kinds.length)];
  everyCell(batchSize, seqLen, (row, i, j, cell) => {
    const block = (row * rows + Math.floor(i / queryBlock)) * columns + Math.floor(j / keyBlock);
    seen[block] = (seen[block] as number) + (dense[cell] as number);
    area[block] = (area[block] as number) + 1;
    return true;
  });
  const expected = Uint8Array.from(seen, (count, block) => (count === 0 ? 0 : count === area[block] ? 2 : 1));
  return equal(kinds, expected);
}

function isOneRunEach({ batchSize, seqLen }: VisibilityMask, dense: Uint8Array): boolean {
  for (let row = 0; row < batchSize; row++) {
    for (let j = 0; j < seqLen; j++) {
      let runs = 0;
      for (let i = 0, before = 0; i < seqLen; i++) {
        const cell = dense[(row * seqLen + i) * seqLen + j] as number;
        if (cell > before) runs++;
        before = cell;
      }
      if (runs > 1) return false;
    }
  }
  return true;
}
