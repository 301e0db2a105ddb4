import { bf16Codec, float32Codec, Gather, type GradientCodec, Reduction, ReductionQueue } from "@cai/squinch";
import type { Bucket } from "./buckets.js";
import type { FlatRange } from "./held-values.js";
import type { Links } from "./links.js";
import { shareOf } from "./shares.js";

/** The ranges of flat memory that a rank owns, in rising order. */
export function ownedRanges(buckets: readonly Bucket[], { topology }: Pick<Links, "topology">, rank: number) {
  const shards = buckets.map((bucket) => shareOf(bucket, topology, rank).shard);
  return shards.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
}

/** Spreads what the owners of shards have stepped to all ranks. */
export class ParameterSpread {
  readonly #queue: ReductionQueue;
  readonly #count: number;

  /** @param masterOf the owner's values of a range, where what travels is rounded. */
  constructor(
    values: Float32Array,
    buckets: readonly Bucket[],
    links: Links,
    rank: number,
    { type, masterOf }: { type: "float32" | "bf16"; masterOf: (range: FlatRange) => Float32Array },
  ) {
    const plain = type === "bf16" ? bf16Codec : float32Codec;
    const reductions = buckets.map((bucket) => {
      // The shards are those of the gradients.
      const codec: GradientCodec = { ...plain, blockLength: bucket.codec.blockLength };
      const source = masterOf(shareOf(bucket, links.topology, rank).shard);
      const all = values.subarray(bucket.begin, bucket.end);
      return new Reduction([new Gather(all, links.parameters, codec, { source })]);
    });
    this.#queue = new ReductionQueue(reductions);
    this.#count = reductions.length;
  }

  /** Blocks until every rank's values are those of the owners. @throws CaiError `E_COMM`. */
  run(): void {
    this.#queue.reset();
    for (let i = 0; i < this.#count; i++) this.#queue.beginNext(0);
    this.#queue.finish();
  }
}
