import { philox4x32 } from "@cai/native";
import type { MicroBatch } from "../micro-batch.js";
import { permuted } from "../permutation.js";
import { type RowOptions, type RowSource, refusal, stateFields } from "./row-source.js";

/** Rows that are made of some consecutive items of an epoch: documents, or conversation trees. */
export interface RowGroup<Row> {
  /** How many items. */
  readonly items: number;
  readonly rows: readonly Row[];
}

/** A corpus of items that come into rows together. */
export interface GroupedCorpus<Row> {
  /** Its name, split, and what its items are called, as errors say it. */
  readonly corpus: string;
  readonly split: string;
  readonly called: string;
  /** How many there are. */
  readonly items: number;
  /** The group that begins at place `first` of an epoch. @param itemAt the item that comes at a place. */
  plan(first: number, epoch: number, itemAt: (place: number) => number): RowGroup<Row>;
  batchOf(row: Row): MicroBatch;
  close(): void;
}

// The permutation's counters have a round's number, which is small, in the second word.
const orderOfRows = 0xfffffffd;

/**
 * The rows of a corpus in groups. Each epoch takes all items in an order drawn anew, group by group; the rows of a group come
 * in an order drawn anew. A group is planned when its first row is asked for, and kept until its last is given.
 */
export class GroupedRows<Row> implements RowSource {
  readonly #corpus: GroupedCorpus<Row>;
  readonly #options: RowOptions;
  #epoch: number;
  /** The epoch's items in groups before this one. */
  #items: number;
  /** Rows given of this group. */
  #row: number;
  #group: RowGroup<Row> | undefined;

  /** @throws CaiError `E_CONFIG` for a corpus without items, or a state that cannot be; where nothing is to be learned, rows throw it. */
  constructor(source: GroupedCorpus<Row>, options: RowOptions) {
    const { corpus, split, called } = source;
    if (source.items === 0) throw refusal(`corpus ${corpus}: expected ${called} in ${split}, got none`);
    this.#corpus = source;
    this.#options = options;
    const { epoch, items, row } = stateFields(options.state, ["epoch", "items", "row"]);
    this.#epoch = epoch;
    this.#items = items;
    this.#row = row;
    if (items >= source.items) {
      throw refusal(`state: corpus ${corpus} has ${source.items} ${called}, got ${items} before the next`);
    }
    if (row === 0) return;
    const { rows } = this.#plan();
    if (row >= rows.length) throw refusal(`state: corpus ${corpus} has ${rows.length} rows in a group, got row ${row}`);
  }

  get state() {
    return { epoch: this.#epoch, items: this.#items, row: this.#row };
  }

  nextRow(): MicroBatch {
    return this.#corpus.batchOf(this.#advance());
  }

  skipRow(): void {
    this.#advance();
  }

  close(): void {
    this.#corpus.close();
  }

  #advance(): Row {
    const { key, number } = this.#options;
    const { rows } = this.#planWithRows();
    const [, ...rowKey] = philox4x32(key, [this.#items, orderOfRows, number, this.#epoch]);
    const row = permuted(this.#row, rows.length, [rowKey[0] as number, rowKey[1] as number], [0, 0]);
    this.#row++;
    if (this.#row === rows.length) this.#passGroup();
    return rows[row] as Row;
  }

  /** The group at hand, or the next that makes rows. */
  #planWithRows(): RowGroup<Row> {
    const { corpus, items, called } = this.#corpus;
    for (let passed = 0; passed < items; ) {
      const group = this.#plan();
      if (group.rows.length > 0) return group;
      passed += group.items;
      this.#passGroup();
    }
    throw refusal(`corpus ${corpus}: expected something to learn, got none in all its ${called}`);
  }

  #passGroup(): void {
    this.#items += this.#plan().items;
    this.#row = 0;
    this.#group = undefined;
    if (this.#items < this.#corpus.items) return;
    this.#items = 0;
    this.#epoch++;
  }

  #plan(): RowGroup<Row> {
    const { key, number } = this.#options;
    const [corpus, epoch] = [this.#corpus, this.#epoch];
    this.#group ??= corpus.plan(this.#items, epoch, (place) => permuted(place, corpus.items, key, [number, epoch]));
    return this.#group;
  }
}
