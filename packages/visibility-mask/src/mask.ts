import { checkMask } from "./check.js";

/** The arrays that make a {@link VisibilityMask}. */
export interface MaskArrays {
  /** int32 [B, T]: the first query that sees each key. */
  readonly start: Int32Array;
  /** int32 [B, T]: the query before which each key is hidden again. */
  readonly limit: Int32Array;
  /** int32 [B, T], not negative: what windows compare and rotary positions turn by; the index within the row when absent. */
  readonly positions?: Int32Array | undefined;
  /** B; 1 when absent. */
  readonly batchSize?: number;
  /** Lets a query that is not padding see nobody. */
  readonly allowBlind?: boolean;
}

/** What narrows a mask for one question: layers of one model may have different windows over the same mask. */
export interface ViewOptions {
  /** w > 0: key j is visible only where also 0 ≤ positions[i] − positions[j] < w. 0, the default: no window. */
  readonly window?: number;
}

/**
 * Who sees whom, in two int32 a token: key j is visible to query i of the same row exactly when start[j] ≤ i < limit[j].
 *
 * The key carries the interval because a conversation tree laid out depth-first puts each node's descendants in one run:
 * any ancestor relation is then one interval a key. A token with start = limit = 0 is padding, which nobody sees and which
 * sees nobody. The arrays are taken as they are, not copied.
 */
export class VisibilityMask {
  /** B, rows. */
  readonly batchSize: number;
  /** T, tokens a row. */
  readonly seqLen: number;
  /** int32 [B, T]. */
  readonly start: Int32Array;
  /** int32 [B, T]. */
  readonly limit: Int32Array;
  /** int32 [B, T]; undefined means the index within the row. */
  readonly positions: Int32Array | undefined;

  /**
   * @throws CaiError `E_SHAPE` for arrays that don't fit each other; `E_ARGUMENT` naming the token whose interval is out of
   *   range, whose position is negative, or that sees nobody.
   */
  constructor(arrays: MaskArrays) {
    const { batchSize = 1 } = arrays;
    this.batchSize = batchSize;
    this.start = arrays.start;
    this.limit = arrays.limit;
    this.positions = arrays.positions;
    this.seqLen = checkMask(arrays);
  }

  /** Whether query `query` of row `row` sees key `key`. @throws CaiError `E_ARGUMENT` for an index out of range. */
  isVisible(query: number, key: number, { row = 0, window = 0 }: ViewOptions & { row?: number } = {}): boolean {
    const at = row * this.seqLen;
    if (query < (this.start[at + key] as number) || query >= (this.limit[at + key] as number)) return false;
    const distance = this.position(query, row) - this.position(key, row);
    return window === 0 || (distance >= 0 && distance < window);
  }

  /** The position of a token: from `positions`, or its index. */
  position(token: number, row = 0): number {
    return this.positions ? (this.positions[row * this.seqLen + token] as number) : token;
  }
}
