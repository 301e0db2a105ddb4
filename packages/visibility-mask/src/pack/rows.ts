import { checkArray, checkLength, checkList } from "@cai/portable/arguments";
import { VisibilityMask } from "../mask.js";
import { refuse } from "../refuse.js";

/** One array an aspect, an entry a token; positions that hold no token are padding, which nobody sees. */
export interface PackedArrays {
  /** Token ids; 0 in padding. */
  readonly tokens: Int32Array;
  /** As in {@link VisibilityMask}. */
  readonly start: Int32Array;
  /** As in {@link VisibilityMask}. */
  readonly limit: Int32Array;
  /** Depth along the path from the beginning of each text or conversation: what rotary or learned positions go by. */
  readonly positions: Int32Array;
  /** The index in the row of the token that predicts each token; -1 where none does, and in padding. */
  readonly parents: Int32Array;
  /** What predicting each token counts in the loss, float32; 0 where it doesn't. */
  readonly weights: Float32Array;
}

/** One row of T tokens. */
export interface PackedRow extends PackedArrays {
  /** How many of its T positions hold tokens: the first ones. */
  readonly used: number;
}

/**
 * Rows for one model call, all arrays [B · T], row after row. The loss is the sum over all i of weights[i] times the
 * cross-entropy of tokens[i] under the logits at parents[i] of the same row: where conversations part, one token predicts
 * several.
 */
export interface PackedBatch extends Omit<PackedArrays, "start" | "limit"> {
  readonly batchSize: number;
  readonly seqLen: number;
  /** Who sees whom; its positions are the array `positions`. */
  readonly mask: VisibilityMask;
  /** How many of the B · T positions hold tokens. */
  readonly used: number;
}

/** Nothing but padding. */
export function newArrays(length: number): PackedArrays {
  const zeros = () => new Int32Array(length);
  const parents = zeros().fill(-1);
  return {
    tokens: zeros(),
    start: zeros(),
    limit: zeros(),
    positions: zeros(),
    parents,
    weights: new Float32Array(length),
  };
}

/** A row of arrays of many, without a copy. */
export function rowOf(arrays: PackedArrays, row: number, seqLen: number, used: number): PackedRow {
  const part = <A extends Int32Array | Float32Array>(array: A) => array.subarray(row * seqLen, (row + 1) * seqLen) as A;
  const { tokens, start, limit, positions, parents, weights } = arrays;
  return {
    tokens: part(tokens),
    start: part(start),
    limit: part(limit),
    positions: part(positions),
    parents: part(parents),
    weights: part(weights),
    used,
  };
}

export function batchOf({ start, limit, ...arrays }: PackedArrays, seqLen: number, used: number): PackedBatch {
  const batchSize = start.length / seqLen;
  const mask = new VisibilityMask({ start, limit, positions: arrays.positions, batchSize });
  return { ...arrays, mask, batchSize, seqLen, used };
}

/**
 * Copies rows of one length, at least one, into a batch.
 *
 * @throws CaiError `E_ARGUMENT` when there are none or an element is no row; `E_SHAPE` for rows of unlike lengths.
 */
export function stackRows(rows: readonly PackedRow[]): PackedBatch {
  const op = "stackRows";
  checkList(rows, "rows", op);
  const seqLen = rows[0]?.tokens?.length ?? 0;
  if (seqLen === 0) refuse(op, "expected at least one row of tokens, got none");
  const arrays = newArrays(rows.length * seqLen);
  for (const [row, from] of rows.entries()) {
    for (const name of Object.keys(arrays) as (keyof PackedArrays)[]) {
      const place = `${name} of row ${row}`;
      checkArray(from?.[name], place, [name === "weights" ? "Float32Array" : "Int32Array"], op);
      checkLength(from[name], place, seqLen, "as row 0 has", op);
      arrays[name].set(from[name], row * seqLen);
    }
  }
  return batchOf(
    arrays,
    seqLen,
    rows.reduce((sum, { used }) => sum + used, 0),
  );
}
