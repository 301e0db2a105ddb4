/** How a vector is shared out between ranks. */
export interface ShardLayout {
  /** Values of a shard; the last ones may be shorter or empty. */
  readonly length: number;
  /** Shard r, which rank r sums, is [ranges[r].begin, ranges[r].end). */
  readonly ranges: readonly { readonly begin: number; readonly end: number }[];
}

/** What encodings have lost and later ones make up for: one part for each of the two encodings. */
export interface Residual {
  /** For this rank's own values; as long as the vector. */
  readonly local: Float32Array;
  /** For the sum of this rank's shard; as long as the shard. */
  readonly shard: Float32Array;
}

/** Values of a shard: n values are shared out in whole blocks. */
export function shardLength(n: number, size: number, blockLength = 8): number {
  return blockLength * Math.ceil(Math.ceil(n / blockLength) / size);
}

/** Which values of n belong to which of `size` ranks. */
export function shardLayout(n: number, size: number, blockLength = 8): ShardLayout {
  const length = shardLength(n, size, blockLength);
  const ranges = Array.from({ length: size }, (_, rank) => ({
    begin: Math.min(rank * length, n),
    end: Math.min((rank + 1) * length, n),
  }));
  return { length, ranges };
}
