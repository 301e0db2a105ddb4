import type { Reduction } from "./reduction.js";

/**
 * Exchanges of several vectors beside each other. They begin in order; stage k of one begins only after stage k of the one
 * before it, so that, with a communicator for each k, every rank calls the same operations in the same order, however
 * their timing differs.
 */
export class ReductionQueue {
  readonly #reductions: readonly Reduction[];
  #begun = 0;

  /** @param reductions the same, in the same order, on every rank. */
  constructor(reductions: readonly Reduction[]) {
    this.#reductions = reductions;
  }

  /** How many exchanges have begun since {@link reset}. */
  get begun(): number {
    return this.#begun;
  }

  /** How many values could not be sent as they were, for not being finite. */
  get nonFinite(): number {
    return this.#reductions.reduce((sum, reduction) => sum + reduction.nonFinite, 0);
  }

  /** Gets ready for the next step. */
  reset(): void {
    this.#begun = 0;
  }

  /** Begins the next exchange. */
  beginNext(step: number): void {
    (this.#reductions[this.#begun++] as Reduction).start(step);
  }

  /** Lets all exchanges go as far as they can without blocking. */
  poll(): void {
    let limit = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#begun; i++) {
      const reduction = this.#reductions[i] as Reduction;
      reduction.advance(limit);
      limit = reduction.started;
    }
  }

  /** Blocks until all exchanges that have begun are over. */
  finish(): void {
    this.poll();
    for (let next = this.#earliest(); next; next = this.#earliest()) {
      next.current?.pending.wait();
      this.poll();
    }
  }

  /** Keeps what the encodings have lost for the next step. */
  commit(): void {
    for (const reduction of this.#reductions) reduction.commit();
  }

  /**
   * The first in order among those least far. Every rank waits by this order, whatever it began first; were that not so,
   * two ranks could each wait for an operation that the other will only begin later.
   */
  #earliest(): Reduction | undefined {
    let earliest: Reduction | undefined;
    for (let i = 0; i < this.#begun; i++) {
      const reduction = this.#reductions[i] as Reduction;
      if (reduction.finished || (earliest && earliest.started <= reduction.started)) continue;
      earliest = reduction;
    }
    return earliest;
  }
}
