import { checkWhole } from "@cai/portable/arguments";
import { type BlockOptions, type Blocks, blocks, visibleCells } from "./blocks.js";
import { checkMask } from "./check.js";
import { type CuSeqlens, toCuSeqlens } from "./convert/cu-seqlens.js";
import { type AdditiveOptions, type DenseShape, fromDense, toAdditive, toDense } from "./convert/dense.js";
import { type FlashMask, toFlashMask } from "./convert/flash-mask.js";
import { withWindow } from "./convert/window.js";
import type { DrawOptions } from "./draw/grid.js";
import { toSvg } from "./draw/svg.js";
import { toText } from "./draw/text.js";
import { bidirectional, causal, padding, prefixLm } from "./patterns/document.js";
import { concat, stack } from "./patterns/join.js";
import { type BeamShape, beams, packed, sharedPrompt } from "./patterns/packed.js";
import type { RowLength } from "./patterns/runs.js";
import { tree } from "./patterns/tree.js";
import { windowOf } from "./refuse.js";

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
    ({
      seqLen: this.seqLen,
      batchSize: this.batchSize,
      start: this.start,
      limit: this.limit,
      positions: this.positions,
    } = checkMask(arrays));
  }

  /** One causal document of T tokens: start j, limit T. */
  static causal(seqLen: number): VisibilityMask {
    return new VisibilityMask(causal(seqLen));
  }

  /** One document in which everybody sees everybody: start 0, limit T. */
  static bidirectional(seqLen: number): VisibilityMask {
    return new VisibilityMask(bidirectional(seqLen));
  }

  /** A prefix that everybody sees whole, causal behind it: start 0 inside the prefix, j after it; limit T. */
  static prefixLm(prefixLength: number, seqLen: number): VisibilityMask {
    return new VisibilityMask(prefixLm(prefixLength, seqLen));
  }

  /**
   * A row in which every token sees its ancestors and itself: start j, limit the end of j's subtree; positions are depths.
   *
   * @param parents the index of each token's parent, -1 for a root, depth-first: all that descends from a token directly
   *   behind it.
   * @throws CaiError `E_ARGUMENT` naming the first token whose parent is no earlier token or which is out of order.
   */
  static tree(parents: ArrayLike<number>): VisibilityMask {
    return new VisibilityMask(tree(parents));
  }

  /**
   * Causal documents one after another: start j, limit the end of j's document; positions restart at 0 in each.
   *
   * @param lengths tokens of each document, from 1.
   * @param options `seqLen`: T; what the documents leave of it is padding, at position 0.
   * @throws CaiError `E_ARGUMENT` naming the document that is no length or does not fit.
   */
  static packed(lengths: ArrayLike<number>, options?: RowLength): VisibilityMask {
    return new VisibilityMask(packed(lengths, options));
  }

  /**
   * A prompt and several answers to it, which don't see each other: start j, limit T in the prompt and the answer's end in
   * an answer; positions of every answer go on from the prompt's.
   */
  static sharedPrompt(promptLength: number, answerLengths: ArrayLike<number>): VisibilityMask {
    return new VisibilityMask(sharedPrompt(promptLength, answerLengths));
  }

  /** As {@link sharedPrompt}, each beam owning `length` cache slots: slot s of beam b is token promptLength + b · length + s. */
  static beams(shape: BeamShape): VisibilityMask {
    return new VisibilityMask(beams(shape));
  }

  /** Padding alone, start 0, limit 0: nobody sees it and it sees nobody. */
  static padding(seqLen: number): VisibilityMask {
    return new VisibilityMask(padding(seqLen));
  }

  /**
   * Single rows one after another in one: intervals move along, positions stay as they are in each.
   *
   * @param options `seqLen`: T; what the rows leave of it is padding, at position 0.
   */
  static concat(masks: readonly VisibilityMask[], options?: RowLength): VisibilityMask {
    return new VisibilityMask(concat(masks, options));
  }

  /** The rows of all masks as one batch; every row must have the same T. */
  static stack(masks: readonly VisibilityMask[]): VisibilityMask {
    return new VisibilityMask(stack(masks));
  }

  /**
   * A mask from all its cells.
   *
   * @param dense uint8 [B, T, T], query by key: 1 visible, 0 not.
   * @throws CaiError `E_ARGUMENT` naming the first token whose queries are not one run.
   */
  static fromDense(dense: Uint8Array, shape: DenseShape): VisibilityMask {
    return new VisibilityMask(fromDense(dense, shape));
  }

  /** Whether query `query` of row `row` sees key `key`. @throws CaiError `E_ARGUMENT` for an index out of range. */
  isVisible(query: number, key: number, options: ViewOptions & { row?: number } = {}): boolean {
    const op = "visibilityMask.isVisible";
    const window = windowOf(options, op);
    const { row = 0 } = options;
    checkWhole(row, "row", 0, this.batchSize - 1, op);
    checkWhole(query, "query", 0, this.seqLen - 1, op);
    checkWhole(key, "key", 0, this.seqLen - 1, op);
    const at = row * this.seqLen;
    if (query < (this.start[at + key] as number) || query >= (this.limit[at + key] as number)) return false;
    const distance = this.position(query, row) - this.position(key, row);
    return window === 0 || (distance >= 0 && distance < window);
  }

  /** The position of a token: from `positions`, or its index. */
  position(token: number, row = 0): number {
    return this.positions ? (this.positions[row * this.seqLen + token] as number) : token;
  }

  /** How many cells of [B, T, T] are visible; O(T) memory. */
  visibleCells(options?: ViewOptions): number {
    return visibleCells(this, options);
  }

  /** Which blocks of queries and keys are empty, partly visible or full. Exact, with windows and at the edges too. */
  blocks(options?: BlockOptions): Blocks {
    return blocks(this, options);
  }

  /**
   * The mask with a window in its arrays: key j is visible to those of its queries with 0 ≤ positions[i] − positions[j] < w.
   * A query that then sees nobody is let be.
   *
   * @throws CaiError `E_ARGUMENT` naming the first token whose queries are then not one run, as on branches: pass `window`
   *   to what reads the mask instead.
   */
  withWindow(window: number): VisibilityMask {
    return new VisibilityMask(withWindow(this, window));
  }

  /** uint8 [B, T, T], query by key: 1 visible, 0 not. */
  toDense(options?: ViewOptions): Uint8Array {
    return toDense(this, options);
  }

  /**
   * float32 [B, T, T] to add to logits: 0 visible, `lowest` not.
   *
   * `lowest` is finite by default (−1e9), so that a row that sees nobody, such as padding, comes out of a softmax as even
   * shares and not as NaN, and two such masks may be added up; a weight in any other row is exactly 0. float16 needs
   * −6e4; −Infinity is allowed where every row sees somebody.
   */
  toAdditive(options?: AdditiveOptions): Float32Array {
    return toAdditive(this, options);
  }

  /** The columns of FlashMask; a window goes into them as by {@link withWindow}, with its errors. */
  toFlashMask(options?: ViewOptions): FlashMask {
    return toFlashMask(this, options);
  }

  /**
   * The documents of all rows as FlashAttention takes them.
   *
   * @throws CaiError `E_ARGUMENT` naming the first token that is in no packed causal (or all bidirectional) document, or that
   *   follows padding.
   */
  toCuSeqlens(options?: ViewOptions): CuSeqlens {
    return toCuSeqlens(this, options);
  }

  /** A drawing in lines of text, queries down and keys across; rows of many tokens in shaded blocks. */
  toText(options?: DrawOptions): string {
    return toText(this, options);
  }

  /** A drawing as an SVG document, with a white background of its own. */
  toSvg(options?: DrawOptions): string {
    return toSvg(this, options);
  }
}
