/** Sparse counts of (context, symbol) pairs: open addressing over two flat arrays, 12 to 24 bytes a distinct pair. */
export class PairCounts {
  private keys = new Float64Array(1 << 12).fill(-1);
  private counts = new Uint32Array(1 << 12);
  private used = 0;

  /** @param symbols one above the highest symbol */
  constructor(private readonly symbols: number) {}

  /** How often the pair was added. */
  get(context: number, symbol: number): number {
    return this.counts[this.slot(context, symbol)] as number;
  }

  /** Adds the pair once; the count before. */
  add(context: number, symbol: number): number {
    const slot = this.slot(context, symbol);
    const before = this.counts[slot] as number;
    this.counts[slot] = before + 1;
    if (before === 0) {
      this.keys[slot] = context * this.symbols + symbol;
      if (++this.used * 2 > this.keys.length) this.grow();
    }
    return before;
  }

  private slot(context: number, symbol: number): number {
    const key = context * this.symbols + symbol;
    const mask = this.keys.length - 1;
    let slot = mixed(context, symbol) & mask;
    while (this.keys[slot] !== key && this.keys[slot] !== -1) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { keys, counts } = this;
    this.keys = new Float64Array(2 * keys.length).fill(-1);
    this.counts = new Uint32Array(2 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      if (key === -1) continue;
      const slot = this.slot(Math.floor(key / this.symbols), key % this.symbols);
      this.keys[slot] = key;
      this.counts[slot] = counts[i] as number;
    }
  }
}

/** The finaliser of MurmurHash3 over both numbers. */
function mixed(context: number, symbol: number): number {
  let hash = Math.imul(context, 0x9e3779b1) ^ symbol;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
