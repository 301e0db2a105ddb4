import { float32Codec, Gather, newScratch, Reduction, Scatter, type StageOptions, scratchBytes } from "@cai/squinch";
import type { Bucket } from "./buckets.js";
import type { FlatRange } from "./held-values.js";
import type { Links } from "./links.js";
import { shareOf } from "./shares.js";

export interface BucketOptions {
  /** The first phase only. */
  readonly sharded: boolean;
  readonly errorFeedback: boolean;
  readonly seed: number;
  /** Number of the bucket in memory, for the random numbers. */
  readonly number: number;
}

/** The exchange of one bucket, and what it carries from step to step. */
export interface BucketReduction {
  readonly bucket: Bucket;
  readonly reduction: Reduction;
  /** Whose residual is that of this rank's own values, with where these lie. */
  readonly local: Keeper | undefined;
  /** The same for the sum that this rank owns. */
  readonly shard: Keeper | undefined;
}

/** A stage that keeps a residual. */
export interface Keeper {
  readonly range: FlatRange;
  readonly stage: Scatter | Gather;
}

/**
 * One level: all ranks exchange by the bucket's codec. Two: float32 sums inside the node first, each of its ranks then
 * exchanges its part with its peers in the other nodes by the codec, and float32 spreads the result inside.
 */
export function bucketReduction(
  gradient: Float32Array,
  bucket: Bucket,
  links: Links,
  rank: number,
  options: BucketOptions,
): BucketReduction {
  const { between, inside, topology } = links;
  const { part, shard } = shareOf(bucket, topology, rank);
  const view = ({ begin, end }: FlatRange) => gradient.subarray(begin, end);
  const { local } = topology.places[rank] as (typeof topology.places)[number];
  // Ranks of one node have the same number between nodes, but parts of their own.
  const number = options.number * topology.ranksPerNode + local;
  const { codec } = bucket;
  const scratch = newScratch(
    Math.max(
      inside ? scratchBytes(bucket.end - bucket.begin, inside.gather.size, float32Codec) : 0,
      between ? scratchBytes(part.end - part.begin, between.gather.size, codec) : 0,
    ),
  );
  const keep = (range: FlatRange, phase: number): StageOptions => ({
    scratch,
    seed: options.seed,
    bucket: number,
    phase,
    residual: options.errorFeedback ? newPair(range.end - range.begin) : undefined,
  });
  const scatter = between && new Scatter(view(part), between.scatter, codec, keep(part, 0));
  const gather =
    between && !options.sharded ? new Gather(view(part), between.gather, codec, keep(shard, 1)) : undefined;
  const stages = [
    inside && new Scatter(view(bucket), inside.scatter, float32Codec, { scratch }),
    scatter,
    gather,
    inside && new Gather(view(bucket), inside.gather, float32Codec, { scratch }),
  ];
  const kept = options.errorFeedback;
  return {
    bucket,
    reduction: new Reduction(stages.filter((stage) => stage !== undefined)),
    local: kept && scatter ? { range: part, stage: scatter } : undefined,
    shard: kept && gather ? { range: shard, stage: gather } : undefined,
  };
}

function newPair(length: number) {
  return { current: new Float32Array(length), next: new Float32Array(length) };
}
