import { checkOptions, checkWhole } from "@cai/portable/arguments";
import { most } from "../refuse.js";
import { checkSeqLen } from "./check.js";

const op = "cutDocument";

export interface CutOptions {
  /** Tokens of the first piece at most, 1 to `seqLen`, its default; a trainer that varies it moves the cuts from epoch to epoch. */
  readonly first?: number;
  /** Tokens with which a piece repeats the end of the one before, 0 to `seqLen` - 1. Default 0. */
  readonly overlap?: number;
}

/** Tokens `from` to `from + length` of a document. */
export interface Piece {
  readonly from: number;
  readonly length: number;
  /** How many of its first tokens the piece before had as well. */
  readonly repeated: number;
}

/**
 * The rule by which a text too long for a row is cut: consecutive pieces as long as they can be, so that all but the first and
 * the last fill a row. Every token is new in exactly one piece.
 *
 * @param length tokens of the document, from 0; no tokens make no pieces.
 * @param seqLen tokens of a row, from 1.
 * @throws CaiError `E_ARGUMENT` for a number out of range.
 */
export function cutDocument(length: number, seqLen: number, options: CutOptions = {}): Piece[] {
  checkOptions(options, op);
  const { first = seqLen, overlap = 0 } = options;
  checkWhole(length, "length", 0, most, op);
  checkSeqLen(seqLen, op);
  checkWhole(first, "first", 1, seqLen, op);
  checkWhole(overlap, "overlap", 0, seqLen - 1, op);
  const pieces: Piece[] = [];
  for (let end = 0; end < length; ) {
    const from = Math.max(0, end - overlap);
    const repeated = end - from;
    end = Math.min(length, from + (end === 0 ? first : seqLen));
    pieces.push({ from, length: end - from, repeated });
  }
  return pieces;
}
