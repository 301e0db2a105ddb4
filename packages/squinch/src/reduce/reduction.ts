import type { Stage } from "./stage.js";

/** The stages of one vector's exchange, one after the other: by itself, or several beside each other in a queue. */
export class Reduction {
  readonly stages: readonly Stage[];
  #started = 0;
  #current: Stage | undefined;
  #step = 0;

  constructor(stages: readonly Stage[]) {
    this.stages = stages;
  }

  /** How many stages have been started. */
  get started(): number {
    return this.#started;
  }

  /** How many values the last exchange could not send as they were, for not being finite. */
  get nonFinite(): number {
    return this.stages.reduce((sum, stage) => sum + stage.nonFinite, 0);
  }

  /** Runs all stages without blocking this thread. */
  async run(step: number): Promise<void> {
    for (const stage of this.stages) {
      stage.start(step);
      await stage.pending;
      stage.complete();
    }
  }

  /** Begins the first stage. */
  start(step: number): void {
    this.#step = step;
    this.#started = 0;
    this.#current = undefined;
    this.#startNext();
  }

  /** Whether every stage is over. */
  get finished(): boolean {
    return this.#current === undefined && this.#started === this.stages.length;
  }

  /** The stage under way. */
  get current(): Stage | undefined {
    return this.#current;
  }

  /**
   * Goes as far as it can without blocking.
   *
   * @param limit how many stages may have been started at the end: as many as the vector before it has started.
   */
  advance(limit = Number.POSITIVE_INFINITY): void {
    if (this.#current?.pending.done) {
      this.#current.complete();
      this.#current = undefined;
    }
    if (this.#current || this.#started === this.stages.length || this.#started >= limit) return;
    this.#startNext();
    this.advance(limit);
  }

  /** Keeps what the encodings have lost for the next step. */
  commit(): void {
    for (const stage of this.stages) stage.commit();
  }

  #startNext(): void {
    this.#current = this.stages[this.#started++];
    this.#current?.start(this.#step);
  }
}
