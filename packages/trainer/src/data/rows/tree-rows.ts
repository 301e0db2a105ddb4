import { philox4x32 } from "@cai/native";
import type { PackedRow } from "@cai/visibility-mask";
import type { ConversationDataset } from "../conversation-dataset.js";
import type { MicroBatch } from "../micro-batch.js";
import { permuted } from "../permutation.js";
import { type RowOptions, type RowSource, refusal, stateFields } from "./row-source.js";
import { planTrees, type TreePacking, treeRow } from "./tree-groups.js";

/**
 * Rows of conversation trees that don't see each other, the loss on the turns that are to be learned.
 *
 * Each epoch takes all trees in an order drawn anew, in groups, whose rows come in an order drawn anew. Conversations longer
 * than a row are cut. A group's rows are made all at once and kept until the last is given.
 */
export class TreeRows implements RowSource {
  readonly #dataset: ConversationDataset;
  readonly #options: RowOptions;
  readonly #packing: TreePacking;
  #epoch: number;
  /** The epoch's trees in groups before this one. */
  #trees: number;
  /** Rows given of this group. */
  #row: number;
  #group: ReturnType<typeof planTrees> | undefined;

  /** @throws CaiError `E_CONFIG` for a corpus without conversations, or a state that cannot be. */
  constructor(dataset: ConversationDataset, packing: TreePacking, options: RowOptions) {
    const { corpus, split, trees: all } = dataset;
    if (all === 0) throw refusal(`corpus ${corpus}: expected conversations in ${split}, got none`);
    this.#dataset = dataset;
    this.#options = options;
    this.#packing = packing;
    const { epoch, trees, row } = stateFields(options.state, ["epoch", "trees", "row"]);
    this.#epoch = epoch;
    this.#trees = trees;
    this.#row = row;
    if (trees >= all) throw refusal(`state: corpus ${corpus} has ${all} trees, got ${trees} before the next`);
    if (row === 0) return;
    const { rows } = this.#plan();
    if (row >= rows.length) throw refusal(`state: corpus ${corpus} has ${rows.length} rows in a group, got row ${row}`);
  }

  get state() {
    return { epoch: this.#epoch, trees: this.#trees, row: this.#row };
  }

  nextRow(): MicroBatch {
    return treeRow(this.#advance());
  }

  skipRow(): void {
    this.#advance();
  }

  close(): void {
    this.#dataset.close();
  }

  #advance(): PackedRow {
    const { key, number } = this.#options;
    const { trees, rows } = this.#plan();
    const [, ...rowKey] = philox4x32(key, [this.#trees, orderOfRows, number, this.#epoch]);
    const row = permuted(this.#row, rows.length, [rowKey[0] as number, rowKey[1] as number], [0, 0]);
    this.#row++;
    if (this.#row === rows.length) {
      this.#row = 0;
      this.#group = undefined;
      this.#trees += trees;
    }
    if (this.#trees === this.#dataset.trees) {
      this.#trees = 0;
      this.#epoch++;
    }
    return rows[row] as PackedRow;
  }

  #plan(): ReturnType<typeof planTrees> {
    const { seqLen, key, number } = this.#options;
    const epoch = this.#epoch;
    const { trees } = this.#dataset;
    this.#group ??= planTrees(this.#dataset, this.#trees, {
      seqLen,
      packing: this.#packing,
      treeAt: (place) => permuted(place, trees, key, [number, epoch]),
    });
    return this.#group;
  }
}

// The permutation's counters have a round's number, which is small, in the second word.
const orderOfRows = 0xfffffffd;
