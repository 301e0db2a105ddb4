import { checkList, checkOptions } from "@cai/portable/arguments";
import { BestFit } from "./best-fit.js";
import { checkSeqLen, checkSome, isToken, refuseId } from "./check.js";
import { type CutOptions, cutDocument, type Piece } from "./cut.js";
import { batchOf, newArrays, type PackedArrays, type PackedBatch, rowOf } from "./rows.js";

const op = "packDocuments";

export interface DocumentOptions extends CutOptions {
  /** T, tokens of a row, from 1. */
  readonly seqLen: number;
}

/** Where a piece of a document lies: from index `at` of row `row`. */
export interface DocumentPlace extends Piece {
  /** The index of the document. */
  readonly document: number;
  readonly row: number;
  readonly at: number;
}

export interface PackedDocuments extends PackedBatch {
  /** Every piece of every document, row after row. */
  readonly documents: readonly DocumentPlace[];
}

/**
 * Packs documents into causal rows by {@link bestFitDecreasing}: none sees another, and positions begin at 0 in each.
 *
 * Every token weighs 1 but the first of a document, which nothing predicts. Documents longer than a row are cut by
 * {@link cutDocument}, and a piece is then as a document of its own. By default it begins with the last token of the piece
 * before (`overlap` 1); tokens that are repeated weigh 0, so every token but the first is predicted exactly once.
 *
 * @param documents token ids, 0 to 2³¹ − 1; empty documents are left out.
 * @throws CaiError `E_ARGUMENT` naming the document or token that is wrong, or when there are no tokens at all.
 */
export function packDocuments(documents: readonly ArrayLike<number>[], options: DocumentOptions): PackedDocuments {
  checkOptions(options, op);
  const { seqLen, first = seqLen, overlap = Math.min(1, seqLen - 1) } = options;
  checkSeqLen(seqLen, op);
  checkList(documents, "documents", op);
  const pieces: Omit<DocumentPlace, "row" | "at">[] = [];
  for (let document = 0; document < documents.length; document++) {
    checkList(documents[document], `document ${document}`, op);
    const { length } = documents[document] as ArrayLike<number>;
    for (const piece of cutDocument(length, seqLen, { first, overlap })) pieces.push({ document, ...piece });
  }
  checkSome(pieces.length, op);
  const bins = new BestFit(seqLen).pack(
    Int32Array.from(pieces, (piece) => piece.length),
    seqLen,
  );
  const arrays = newArrays(bins.length * seqLen);
  const places: DocumentPlace[] = [];
  let used = 0;
  for (const [row, bin] of bins.entries()) {
    const part = rowOf(arrays, row, seqLen, 0);
    let at = 0;
    for (const item of bin) {
      const place = { ...(pieces[item] as (typeof pieces)[number]), row, at };
      writePiece(part, place, documents[place.document] as ArrayLike<number>);
      places.push(place);
      at += place.length;
    }
    used += at;
  }
  return { ...batchOf(arrays, seqLen, used), documents: places };
}

function writePiece(
  row: PackedArrays,
  { document, from, length, repeated, at }: DocumentPlace,
  ids: ArrayLike<number>,
): void {
  for (let i = 0; i < length; i++) {
    const id = ids[from + i] as number;
    if (!isToken(id)) refuseId(id, `token ${from + i} of document ${document}`, op);
    row.tokens[at + i] = id;
    row.start[at + i] = at + i;
    row.limit[at + i] = at + length;
    row.positions[at + i] = i;
    row.parents[at + i] = i === 0 ? -1 : at + i - 1;
    row.weights[at + i] = i === 0 || i < repeated ? 0 : 1;
  }
}
