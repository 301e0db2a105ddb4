import { philox4x32 } from "@cai/native";
import type { MicroBatch } from "../micro-batch.js";
import { permuted } from "../permutation.js";
import { type RowOptions, type RowSource, type RowState, refusal, stateFields } from "./row-source.js";

/** Rows that are made of some items of an epoch, which follow one another in its order. */
export interface RowGroup<Row> {
  /** How many items. */
  readonly items: number;
  readonly rows: readonly Row[];
}

/** A corpus that is read in groups: of documents, or of conversation trees. */
export interface GroupedCorpus<Row> {
  readonly corpus: string;
  /** What its items are called, in states and messages. */
  readonly noun: string;
  readonly items: number;
  /** The group that begins at place `first` of an epoch, given which item comes at a place. */
  plan(first: number, itemAt: (place: number) => number, epoch: number): RowGroup<Row>;
  /** In new arrays. */
  batchOf(row: Row): MicroBatch;
  close(): void;
}

/**
 * Rows of a corpus whose items come in an order drawn anew each epoch, in groups, the rows of a group in an order drawn anew.
 * Memory holds the plan of one group.
 */
export class GroupRows<Row> implements RowSource {
  readonly #corpus: GroupedCorpus<Row>;
  readonly #options: RowOptions;
  #epoch: number;
  /** The epoch's items in groups before this one. */
  #items: number;
  /** Rows given of this group. */
  #row: number;
  #group: RowGroup<Row> | undefined;

  /** @throws CaiError `E_CONFIG` for a corpus without items, or a state that cannot be. */
  constructor(corpus: GroupedCorpus<Row>, options: RowOptions) {
    const { noun, items } = corpus;
    if (items === 0) throw refusal(`corpus ${corpus.corpus}: expected ${noun}, got none`);
    this.#corpus = corpus;
    this.#options = options;
    const { epoch = 0, [noun]: before = 0, row = 0 } = stateFields(options.state, ["epoch", noun, "row"]);
    this.#epoch = epoch;
    this.#items = before;
    this.#row = row;
    if (before >= items) {
      throw refusal(`state: corpus ${corpus.corpus} has ${items} ${noun}, got ${before} before the next`);
    }
    if (row === 0) return;
    const { rows } = this.#plan();
    if (row >= rows.length) {
      throw refusal(`state: corpus ${corpus.corpus} has ${rows.length} rows in a group, got row ${row}`);
    }
  }

  get state(): RowState {
    return { epoch: this.#epoch, [this.#corpus.noun]: this.#items, row: this.#row };
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
    for (let passed = 0; passed < this.#corpus.items; ) {
      const group = this.#plan();
      if (group.rows.length > 0) return group;
      passed += group.items;
      this.#passGroup();
    }
    throw refusal(
      `corpus ${this.#corpus.corpus}: expected something to learn, got none in all its ${this.#corpus.noun}`,
    );
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
    const epoch = this.#epoch;
    const itemAt = (place: number) => permuted(place, this.#corpus.items, key, [number, epoch]);
    this.#group ??= this.#corpus.plan(this.#items, itemAt, epoch);
    return this.#group;
  }
}

// The permutation's counters have a round's number, which is small, in the second word.
const orderOfRows = 0xfffffffd;
