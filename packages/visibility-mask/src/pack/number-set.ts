/** A set of whole numbers from 0 to `most` that finds the least member from a number on in O(log₃₂ most). */
export class NumberSet {
  /** Level 0 has a bit a number; above, a bit tells that a word of the level below is not 0. */
  readonly #levels: Int32Array[] = [];

  constructor(most: number) {
    for (let words = most + 1; words > 1 || this.#levels.length === 0; ) {
      words = Math.ceil(words / 32);
      this.#levels.push(new Int32Array(words));
    }
  }

  add(value: number): void {
    for (const words of this.#levels) {
      const word = value >>> 5;
      words[word] = (words[word] as number) | (1 << (value & 31));
      value = word;
    }
  }

  delete(value: number): void {
    for (const words of this.#levels) {
      const word = value >>> 5;
      words[word] = (words[word] as number) & ~(1 << (value & 31));
      if (words[word] !== 0) return;
      value = word;
    }
  }

  /** The least member that is `from` or more, or -1. */
  next(from: number): number {
    for (let level = 0; level < this.#levels.length; level++) {
      const word = from >>> 5;
      const bits = ((this.#levels[level] as Int32Array)[word] ?? 0) & (-1 << (from & 31));
      if (bits !== 0) return this.#lowest((word << 5) | lowestBit(bits), level);
      from = word + 1;
    }
    return -1;
  }

  /** The least member below bit `value` of a level. */
  #lowest(value: number, level: number): number {
    while (level-- > 0) value = (value << 5) | lowestBit((this.#levels[level] as Int32Array)[value] as number);
    return value;
  }
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
