import type { ResidualPair } from "@cai/squinch";
import { type FlatRange, type HeldValues, heldFor, lengthOf } from "./held-values.js";

/**
 * What one kind of a rank's encodings has lost, twice in memory: a step reads the current values and writes the next
 * ones, and only a step that is made turns them around.
 */
export class Residuals {
  readonly #ranges: readonly FlatRange[];
  #current: Float32Array;
  #next: Float32Array;

  /** @param ranges in any order; none overlap. */
  constructor(ranges: readonly FlatRange[]) {
    this.#ranges = [...ranges].filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
    const length = lengthOf(this.#ranges);
    this.#current = new Float32Array(length);
    this.#next = new Float32Array(length);
  }

  /** The memory of the current values. */
  get held(): HeldValues {
    return { ranges: this.#ranges, values: this.#current };
  }

  /** Both memories of one range, for its encoder, which turns its own pair around at every {@link commit}. */
  pairFor(range: FlatRange): ResidualPair {
    const of = (values: Float32Array) => heldFor({ ranges: this.#ranges, values }, range);
    return { current: of(this.#current), next: of(this.#next) };
  }

  commit(): void {
    [this.#current, this.#next] = [this.#next, this.#current];
  }
}
