import {
  float32Codec,
  Gather,
  type GradientCodec,
  newScratch,
  Reduction,
  type ResidualPair,
  Scatter,
  scratchBytes,
} from "@cai/squinch";
import type { Share } from "./bucket-share.js";
import type { FlatRange } from "./held-values.js";
import type { Links } from "./links.js";
import type { Place } from "./topology.js";

export interface BucketOptions {
  readonly links: Links;
  readonly rank: number;
  readonly share: Share;
  readonly codec: GradientCodec;
  /** The first phase only. */
  readonly sharded: boolean;
  readonly seed: number;
  /** Number of the bucket in memory, for the random numbers. */
  readonly number: number;
  /** What the encoding of this rank's own values has lost; as long as the part. */
  readonly local: ResidualPair | undefined;
  /** The same for the sum of its shard. */
  readonly shard: ResidualPair | undefined;
}

/**
 * The exchange of one bucket. One level: all ranks exchange by the codec. Two: float32 sums inside the node
 * first, each of its ranks then exchanges its part with its peers in the other nodes by the codec, and float32 spreads
 * the result inside.
 */
export function bucketReduction(gradient: Float32Array, bucket: FlatRange, options: BucketOptions): Reduction {
  const { links, rank, share, seed, codec } = options;
  const { between, inside, topology } = links;
  const whole = gradient.subarray(bucket.begin, bucket.end);
  const part = gradient.subarray(share.part.begin, share.part.end);
  const scratch = newScratch(
    Math.max(
      inside ? scratchBytes(whole.length, inside.gather.size, float32Codec) : 0,
      between ? scratchBytes(part.length, between.gather.size, codec) : 0,
    ),
  );
  // Ranks of one node have the same number between nodes, but parts of their own.
  const { local } = topology.places[rank] as Place;
  const common = { scratch, seed, bucket: options.number * topology.ranksPerNode + local };
  const stages = [
    inside && new Scatter(whole, inside.scatter, float32Codec, { scratch }),
    between && new Scatter(part, between.scatter, codec, { ...common, residual: options.local, phase: 0 }),
    between && !options.sharded
      ? new Gather(part, between.gather, codec, { ...common, residual: options.shard, phase: 1 })
      : undefined,
    inside && new Gather(whole, inside.gather, float32Codec, { scratch }),
  ];
  return new Reduction(stages.filter((stage) => stage !== undefined));
}
