import type { AttentionJob } from "../job.js";

/** Tokens that are looked at together. */
const tile = 64;

/** Finds the keys that each query of a row sees, passing over tiles in which it sees none. O(S) memory. */
export class VisibleKeys {
  /** The keys that `find` found, ascending, at its beginning. */
  readonly list: Int32Array;
  readonly #start: Int32Array;
  readonly #limit: Int32Array;
  readonly #positions: Int32Array | undefined;
  readonly #indices: Int32Array | undefined;
  readonly #window: number;
  /** Of each tile: the first query that sees a key of it, the end of them, and the least and greatest position. */
  readonly #first: Int32Array;
  readonly #end: Int32Array;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  /** Tiles in which queries of `#queryTile` may see keys. */
  readonly #candidates: Int32Array;
  #candidateCount = 0;
  #queryTile = -1;

  constructor(
    { mask: { start, limit, positions, seqLen }, queryIndices, window, dims: { T } }: AttentionJob,
    row: number,
  ) {
    const part = (array: Int32Array) => array.subarray(row * seqLen, (row + 1) * seqLen);
    this.#indices = queryIndices?.subarray(row * T, (row + 1) * T);
    this.list = new Int32Array(seqLen);
    this.#start = part(start);
    this.#limit = part(limit);
    this.#positions = positions && part(positions);
    this.#window = window;
    const tiles = Math.ceil(seqLen / tile);
    this.#first = new Int32Array(tiles).fill(seqLen);
    this.#end = new Int32Array(tiles);
    this.#low = new Int32Array(tiles).fill(2 ** 31 - 1);
    this.#high = new Int32Array(tiles);
    this.#candidates = new Int32Array(tiles);
    for (let j = 0; j < seqLen; j++) this.#addBounds(j, Math.floor(j / tile));
  }

  #addBounds(j: number, at: number): void {
    const [from, to, position] = [this.#start[j] as number, this.#limit[j] as number, this.#position(j)];
    if (from < to) {
      this.#first[at] = Math.min(this.#first[at] as number, from);
      this.#end[at] = Math.max(this.#end[at] as number, to);
    }
    this.#low[at] = Math.min(this.#low[at] as number, position);
    this.#high[at] = Math.max(this.#high[at] as number, position);
  }

  #position(token: number): number {
    return this.#positions ? (this.#positions[token] as number) : token;
  }

  /** Fills `list` with the keys that query t sees. @returns how many. */
  find(t: number): number {
    const query = this.#indices ? (this.#indices[t] as number) : t;
    const queryTile = Math.floor(query / tile);
    if (queryTile !== this.#queryTile) this.#findCandidates(queryTile);
    const [list, starts, limits] = [this.list, this.#start, this.#limit];
    const position = this.#position(query);
    let count = 0;
    for (let n = 0; n < this.#candidateCount; n++) {
      const begin = (this.#candidates[n] as number) * tile;
      const end = Math.min(begin + tile, starts.length);
      for (let j = begin; j < end; j++) {
        if (query < (starts[j] as number) || query >= (limits[j] as number)) continue;
        const distance = position - this.#position(j);
        if (this.#window > 0 && (distance < 0 || distance >= this.#window)) continue;
        list[count++] = j;
      }
    }
    return count;
  }

  #findCandidates(queryTile: number): void {
    const first = queryTile * tile;
    const [low, high] = [this.#low[queryTile] as number, this.#high[queryTile] as number];
    this.#queryTile = queryTile;
    this.#candidateCount = 0;
    for (let at = 0; at < this.#first.length; at++) {
      if ((this.#first[at] as number) >= first + tile || (this.#end[at] as number) <= first) continue;
      const farthest = high - (this.#low[at] as number);
      const nearest = low - (this.#high[at] as number);
      if (this.#window > 0 && (farthest < 0 || nearest >= this.#window)) continue;
      this.#candidates[this.#candidateCount++] = at;
    }
  }
}
