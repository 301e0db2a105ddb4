import { philox4x32 } from "@cai/native";
import { causalBatch, type MicroBatch } from "../micro-batch.js";
import { permuted } from "../permutation.js";
import type { TokenDataset } from "../token-dataset.js";
import { type RowOptions, type RowSource, refusal, stateFields } from "./row-source.js";

/**
 * Windows over the stream of all documents, which see each other.
 *
 * Each epoch lays windows of seqLen + 1 tokens at phase + n · seqLen, the phase drawn anew below seqLen, and takes every one
 * once in an order drawn anew; so documents flow through windows and a token's context differs from epoch to epoch. The
 * target of an end of text is the first token of the next document.
 */
export class StreamRows implements RowSource {
  readonly #dataset: TokenDataset;
  readonly #options: RowOptions;
  #epoch: number;
  /** Windows given in this epoch. */
  #index: number;

  /** @throws CaiError `E_CONFIG` for a corpus shorter than a window, or a state that cannot be. */
  constructor(dataset: TokenDataset, options: RowOptions) {
    const { seqLen, state } = options;
    if (dataset.tokens <= seqLen) {
      const expected = `corpus ${dataset.corpus}: expected more than seqLen (${seqLen}) tokens in ${dataset.split}`;
      const advice = "lower seqLen, choose another packing, or give the corpus the weight 0";
      throw refusal(`${expected}, got ${dataset.tokens}: ${advice}`);
    }
    this.#dataset = dataset;
    this.#options = options;
    const { epoch, index } = stateFields(state, ["epoch", "index"]);
    this.#epoch = epoch;
    this.#index = index;
    const { windows } = this.#layout();
    if (index < windows) return;
    throw refusal(`state: corpus ${dataset.corpus} has ${windows} windows in epoch ${epoch}, got index ${index}`);
  }

  get state() {
    return { epoch: this.#epoch, index: this.#index };
  }

  nextRow(): MicroBatch {
    const { seqLen } = this.#options;
    const window = new Int32Array(seqLen + 1);
    this.#dataset.read(this.#advance(), seqLen + 1, window);
    return causalBatch(window.slice(0, seqLen), window.slice(1), seqLen);
  }

  skipRow(): void {
    this.#advance();
  }

  close(): void {
    this.#dataset.close();
  }

  /** @returns where the next window begins. */
  #advance(): number {
    const { seqLen, key, number } = this.#options;
    const { phase, windows } = this.#layout();
    const window = permuted(this.#index, windows, key, [number, this.#epoch]);
    this.#index++;
    if (this.#index === windows) {
      this.#epoch++;
      this.#index = 0;
    }
    return phase + window * seqLen;
  }

  /** Where the first window of the epoch begins, and how many there are. */
  #layout(): { phase: number; windows: number } {
    const { seqLen, key, number } = this.#options;
    const { tokens } = this.#dataset;
    // The permutation's counters have a round's number, which is small, in the second word.
    const [random] = philox4x32(key, [0, 0xffffffff, number, this.#epoch]);
    const phase = random % Math.min(seqLen, tokens - seqLen);
    return { phase, windows: Math.floor((tokens - 1 - phase) / seqLen) };
  }
}
