import { philox4x32 } from "@cai/native";
import type { MicroBatch } from "../micro-batch.js";
import { permuted } from "../permutation.js";
import type { TokenDataset } from "../token-dataset.js";
import { type DocumentGroup, type DocumentPacking, type DocumentPiece, planGroup } from "./document-groups.js";
import { documentRow } from "./document-row.js";
import { type RowOptions, type RowSource, refusal, stateFields } from "./row-source.js";

/**
 * Rows of documents that don't see each other, packed or one piece a row; see {@link documentRow}.
 *
 * Each epoch takes all documents in an order drawn anew, in groups. Those longer than a row are cut, the first piece having a
 * length drawn anew from 1 to seqLen, so that cuts move from epoch to epoch. The rows of a group come in an order drawn
 * anew. Every token of the corpus is a target exactly once an epoch.
 */
export class DocumentRows implements RowSource {
  readonly #dataset: TokenDataset;
  readonly #options: RowOptions;
  readonly #packing: DocumentPacking;
  #epoch: number;
  /** The epoch's documents in groups before this one. */
  #documents: number;
  /** Rows given of this group. */
  #row: number;
  #group: DocumentGroup | undefined;

  /** @throws CaiError `E_CONFIG` for a corpus without documents, or a state that cannot be. */
  constructor(dataset: TokenDataset, packing: DocumentPacking, options: RowOptions) {
    const { corpus, split } = dataset;
    if (dataset.documents === 0) throw refusal(`corpus ${corpus}: expected documents in ${split}, got none`);
    this.#dataset = dataset;
    this.#options = options;
    this.#packing = packing;
    const { epoch, documents, row } = stateFields(options.state, ["epoch", "documents", "row"]);
    this.#epoch = epoch;
    this.#documents = documents;
    this.#row = row;
    if (documents >= dataset.documents) {
      throw refusal(`state: corpus ${corpus} has ${dataset.documents} documents, got ${documents} before the next`);
    }
    if (row === 0) return;
    const { rows } = this.#plan();
    if (row >= rows.length) throw refusal(`state: corpus ${corpus} has ${rows.length} rows in a group, got row ${row}`);
  }

  get state() {
    return { epoch: this.#epoch, documents: this.#documents, row: this.#row };
  }

  nextRow(): MicroBatch {
    return documentRow(this.#dataset, this.#advance(), this.#options.seqLen);
  }

  skipRow(): void {
    this.#advance();
  }

  close(): void {
    this.#dataset.close();
  }

  #advance(): readonly DocumentPiece[] {
    const { key, number } = this.#options;
    const { documents, rows } = this.#plan();
    const [, ...rowKey] = philox4x32(key, [this.#documents, orderOfRows, number, this.#epoch]);
    const row = permuted(this.#row, rows.length, [rowKey[0] as number, rowKey[1] as number], [0, 0]);
    this.#row++;
    if (this.#row === rows.length) {
      this.#row = 0;
      this.#group = undefined;
      this.#documents += documents;
    }
    if (this.#documents === this.#dataset.documents) {
      this.#documents = 0;
      this.#epoch++;
    }
    return rows[row] as readonly DocumentPiece[];
  }

  #plan(): DocumentGroup {
    const { seqLen, key, number } = this.#options;
    const epoch = this.#epoch;
    const { documents } = this.#dataset;
    this.#group ??= planGroup(this.#dataset, this.#documents, {
      seqLen,
      packing: this.#packing,
      documentAt: (place) => permuted(place, documents, key, [number, epoch]),
      firstLength: (document) => 1 + (philox4x32(key, [document, firstPiece, number, epoch])[0] % seqLen),
    });
    return this.#group;
  }
}

// The permutation's counters have a round's number, which is small, in the second word.
const firstPiece = 0xfffffffe;
const orderOfRows = 0xfffffffd;
