import { bestFit, cutDocument } from "@cai/visibility-mask";
import type { TokenDataset } from "../token-dataset.js";
import type { RowGroup } from "./grouped-rows.js";

/** Consecutive tokens of one document that come into one row. */
export interface DocumentPiece {
  /** Where its first target stands in the shard. */
  readonly start: number;
  /** Whether the document begins with it. */
  readonly isFirst: boolean;
  /** Targets, and as many inputs. */
  readonly length: number;
}

/** How pieces come into rows: several to a row, as many as fit, or one. */
export type DocumentPacking = "packed" | "padded";

export interface GroupOptions {
  readonly seqLen: number;
  readonly packing: DocumentPacking;
  /** The number of the document that comes at a place of the epoch. */
  readonly documentAt: (place: number) => number;
  /** Tokens of the first piece, 1 to seqLen, of a document that has to be cut. */
  readonly firstLength: (document: number) => number;
}

/** A group ends when it has so many of either: enough that hardly a position is left unused, few enough for memory. */
const mostTokens = 2 ** 22;
const mostDocuments = 2 ** 15;

/** The group that begins at place `first` of an epoch's documents. Reads the index only. */
export function planGroup(
  dataset: TokenDataset,
  first: number,
  options: GroupOptions,
): RowGroup<readonly DocumentPiece[]> {
  const { seqLen, packing, documentAt, firstLength } = options;
  const pieces: DocumentPiece[] = [];
  let tokens = 0;
  let documents = 0;
  while (first + documents < dataset.documents && tokens < mostTokens && documents < mostDocuments) {
    const document = documentAt(first + documents);
    const { start, length } = dataset.document(document);
    const cut = length > seqLen ? { first: firstLength(document) } : {};
    for (const piece of cutDocument(length, seqLen, cut)) {
      pieces.push({ start: start + piece.from, isFirst: piece.from === 0, length: piece.length });
    }
    tokens += length;
    documents++;
  }
  if (packing === "padded") return { items: documents, rows: pieces.map((piece) => [piece]) };
  const lengths = pieces.map(({ length }) => length);
  // In the order drawn: the longest first, documents of like lengths would gather in rows, and steps differ from each other.
  const rows = bestFit(lengths, seqLen).map((row) => row.map((piece) => pieces[piece] as DocumentPiece));
  return { items: documents, rows };
}
