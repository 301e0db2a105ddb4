import type { CodeTables } from "../native-ops.js";

/**
 * Tables for encoding and decoding without searching. A cell is what non-negative floats share whose bits agree in all
 * but the last 20: the bits' order is the floats' order, and no cell holds two bounds, so that one comparison corrects
 * what a cell says.
 */
export interface Lookup {
  /** For the cell of a block's largest magnitude: the q_max of the cell's smallest value. */
  readonly blockCells: Uint8Array;
  /** The bits of maxabs[q_max], with infinity for 255. */
  readonly blockBounds: Int32Array;
  readonly inverses: Float32Array;
  /** For the cell of t: the code of the cell's smallest value. */
  readonly codeCells: Uint8Array;
  /** The bits of the threshold above each code; infinity above 15. */
  readonly codeBounds: Int32Array;
  /** 1 where code 0 keeps its sign. */
  readonly signedZero: 0 | 1;
  /** At 32 · q_max + 16 · sign + code: the decoded value. */
  readonly values: Float32Array;
  /** The bits of {@link values}. */
  readonly valueBits: Int32Array;
}

const cellBits = 20;
const cells = 1 << (31 - cellBits);
const infinityBits = 0x7f800000;

const lookups = new WeakMap<CodeTables, Lookup>();

/** The lookup tables of a codebook, made on first use. */
export function lookupOf(tables: CodeTables): Lookup {
  let lookup = lookups.get(tables);
  if (!lookup) {
    const blockBounds = boundsOf(tables.maxima.subarray(0, 255));
    const codeBounds = boundsOf(tables.thresholds);
    const values = valuesOf(tables);
    lookup = {
      blockCells: cellsOf(blockBounds),
      blockBounds,
      inverses: tables.inverses,
      codeCells: cellsOf(codeBounds),
      codeBounds,
      signedZero: tables.signedZero ? 1 : 0,
      values,
      valueBits: new Int32Array(values.buffer),
    };
    lookups.set(tables, lookup);
  }
  return lookup;
}

function boundsOf(values: Float32Array): Int32Array {
  const bounds = new Int32Array(values.length + 1).fill(infinityBits);
  bounds.set(new Int32Array(values.slice().buffer));
  return bounds;
}

function cellsOf(bounds: Int32Array): Uint8Array {
  let index = 0;
  return Uint8Array.from({ length: cells }, (_, cell) => {
    while (index < bounds.length - 1 && (bounds[index] as number) <= cell << cellBits) index++;
    return index;
  });
}

function valuesOf({ maxima, levels }: CodeTables): Float32Array {
  const values = new Float32Array(256 * 32);
  for (let q = 1; q < 256; q++) {
    for (let code = 0; code < 16; code++) {
      const value = Math.fround((levels[code] as number) * (maxima[q] as number));
      values[32 * q + code] = value;
      values[32 * q + 16 + code] = -value;
    }
  }
  return values;
}

/** The code of the scaled magnitude t with the bits `t`. */
export function codeOf(t: number, cells: Uint8Array, bounds: Int32Array): number {
  const code = cells[t >>> cellBits] as number;
  return code + (((bounds[code] as number) - 1 - t) >>> 31);
}

/** The q_max of a block whose largest magnitude, finite, has the bits `m`. */
export function blockOf(m: number, cells: Uint8Array, bounds: Int32Array): number {
  const q = cells[m >>> cellBits] as number;
  return q + (((bounds[q] as number) - 1 - m) >>> 31);
}
