import type { BeamShape } from "@cai/visibility-mask";
import type { KeyValueCache } from "./key-value-cache.js";

/** Which run of cache slots each live hypothesis owns, and the copies that keep a run's contents its owner's. */
export class BeamRuns {
  readonly #cache: KeyValueCache;
  readonly #shape: BeamShape;
  /** The run of each live hypothesis; at first there is one, the prompt, with nothing in its run. */
  #runs: Int32Array = Int32Array.of(0);
  /** Slots in use of each run. */
  #used = 0;
  /** Of each slot, the number of the token that was read into it or copied: equal numbers, equal contents. */
  readonly #contents: Int32Array;
  #tokens = 0;

  /** @param shape that of the cache's mask. */
  constructor(cache: KeyValueCache, shape: BeamShape) {
    this.#cache = cache;
    this.#shape = shape;
    this.#contents = new Int32Array(shape.beams * shape.length);
  }

  /**
   * Goes on to hypotheses of which number i continues hypothesis `parents[i]` by one token.
   *
   * @returns the cache slot of each one's token.
   */
  advance(parents: Int32Array): Int32Array {
    const { promptLength, length } = this.#shape;
    this.#runs = this.#assign(parents);
    const slots = this.#runs.map((run) => {
      this.#contents[run * length + this.#used] = ++this.#tokens;
      return promptLength + run * length + this.#used;
    });
    this.#used++;
    return slots;
  }

  /** The first to continue a hypothesis stays in its run; the others move to runs whose hypotheses nobody continues. */
  #assign(parents: Int32Array): Int32Array {
    const taken = new Set<number>();
    const runs = parents.map((parent) => {
      const run = this.#runs[parent] as number;
      if (taken.has(run)) return -1;
      taken.add(run);
      return run;
    });
    let free = 0;
    return runs.map((run, i) => {
      if (run >= 0) return run;
      while (taken.has(free)) free++;
      this.#copy(this.#runs[parents[i] as number] as number, free);
      return free++;
    });
  }

  /** Two runs differ from some slot on: hypotheses that part never meet again. */
  #copy(from: number, to: number): void {
    const { promptLength, length } = this.#shape;
    const contents = (run: number) => this.#contents.subarray(run * length, run * length + this.#used);
    const [source, target] = [contents(from), contents(to)];
    let same = 0;
    while (same < this.#used && source[same] === target[same]) same++;
    target.set(source);
    const slot = (run: number) => promptLength + run * length + same;
    this.#cache.copy(slot(from), slot(to), this.#used - same);
  }
}
