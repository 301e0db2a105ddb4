/**
 * A binary heap of pairs, the highest count first and the smallest key first among equal counts.
 *
 * Entries are never changed in place: who pops one compares its count with the true one (see train-bpe.ts).
 */
export class PairHeap {
  private readonly keys: number[] = [];
  private readonly counts: number[] = [];

  get size(): number {
    return this.keys.length;
  }

  push(key: number, count: number): void {
    let i = this.keys.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.precedes(key, count, parent)) break;
      this.move(parent, i);
      i = parent;
    }
    this.keys[i] = key;
    this.counts[i] = count;
  }

  /** The first entry, removed; undefined when there is none. */
  pop(): { key: number; count: number } | undefined {
    const [key] = this.keys;
    const [count] = this.counts;
    const lastKey = this.keys.pop();
    const lastCount = this.counts.pop();
    if (key === undefined || count === undefined || lastKey === undefined || lastCount === undefined) return undefined;
    if (this.keys.length > 0) this.sink(lastKey, lastCount);
    return { key, count };
  }

  private sink(key: number, count: number): void {
    const size = this.keys.length;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.precedes(this.keys[child + 1] as number, this.counts[child + 1] as number, child)) {
        child++;
      }
      if (this.precedes(key, count, child)) break;
      this.move(child, i);
      i = child;
    }
    this.keys[i] = key;
    this.counts[i] = count;
  }

  private precedes(key: number, count: number, other: number): boolean {
    const otherCount = this.counts[other] as number;
    return count > otherCount || (count === otherCount && key < (this.keys[other] as number));
  }

  private move(from: number, to: number): void {
    this.keys[to] = this.keys[from] as number;
    this.counts[to] = this.counts[from] as number;
  }
}
