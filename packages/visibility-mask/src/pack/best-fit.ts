import { checkList, checkWhole } from "@cai/portable/arguments";
import { NumberSet } from "./number-set.js";

/**
 * Packs items into bins by best fit decreasing: the longest first (of equals the one with the least index), each into the bin
 * that it leaves the least room in (of equals the one that took an item last), into a new bin where it fits none.
 *
 * At most 11/9 of the fewest bins possible, and 4, are used (Johnson and others, 1974). O(n log n) for n items.
 *
 * @param lengths whole numbers from 0 to `capacity`.
 * @param capacity 1 to 2²⁶.
 * @returns for each bin the indices of its items, as they came in; bins as they were opened.
 * @throws CaiError `E_ARGUMENT` naming the item that is no such number.
 */
export function bestFitDecreasing(lengths: ArrayLike<number>, capacity: number): number[][] {
  check(lengths, capacity, "bestFitDecreasing");
  return new BestFit(capacity).pack(lengths, capacity);
}

/**
 * Packs items into bins by best fit in the order in which they come: a few more bins than {@link bestFitDecreasing} needs, but
 * what comes together stays near each other, and items of like lengths don't gather in the same bins.
 *
 * Arguments, result, errors and time as there.
 */
export function bestFit(lengths: ArrayLike<number>, capacity: number): number[][] {
  check(lengths, capacity, "bestFit");
  return new BestFit(capacity).pack(lengths, capacity, new Uint32Array(lengths.length).keys());
}

function check(lengths: ArrayLike<number>, capacity: number, op: string): void {
  checkWhole(capacity, "capacity", 1, 2 ** 26, op);
  checkList(lengths, "lengths", op);
  for (let item = 0; item < lengths.length; item++) {
    checkWhole(lengths[item], `length ${item}`, 0, capacity, op);
  }
}

/** {@link bestFitDecreasing} without its checks, many times over with the same memory. */
export class BestFit {
  /** For each room that a bin may have left, the bin that came to have it last. */
  readonly #heads: Int32Array;
  readonly #rooms: NumberSet;

  constructor(mostCapacity: number) {
    this.#heads = new Int32Array(mostCapacity + 1).fill(-1);
    this.#rooms = new NumberSet(mostCapacity);
  }

  /** @param items the indices of all, in the order in which they are packed. */
  pack(
    lengths: ArrayLike<number>,
    capacity: number,
    items: Iterable<number> = decreasing(lengths, capacity),
  ): number[][] {
    const bins: number[][] = [];
    const roomOf: number[] = [];
    /** The bin that had the same room before each. */
    const below: number[] = [];
    for (const item of items) {
      const length = lengths[item] as number;
      const room = this.#rooms.next(length);
      const bin = room < 0 ? bins.length : this.#take(room, below);
      if (room < 0) bins.push([]);
      (bins[bin] as number[]).push(item);
      const left = (room < 0 ? capacity : room) - length;
      roomOf[bin] = left;
      below[bin] = this.#heads[left] as number;
      this.#heads[left] = bin;
      this.#rooms.add(left);
    }
    for (const room of roomOf) {
      this.#heads[room] = -1;
      this.#rooms.delete(room);
    }
    return bins;
  }

  #take(room: number, below: readonly number[]): number {
    const bin = this.#heads[room] as number;
    this.#heads[room] = below[bin] as number;
    if (this.#heads[room] === -1) this.#rooms.delete(room);
    return bin;
  }
}

/** The indices by falling length, of equals the lesser first. */
function decreasing(lengths: ArrayLike<number>, capacity: number): Float64Array {
  const count = lengths.length;
  const keys = new Float64Array(count);
  for (let item = 0; item < count; item++) keys[item] = (capacity - (lengths[item] as number)) * count + item;
  return keys.sort().map((key) => key % count);
}
