import { shardLayout } from "@cai/squinch";
import type { FlatRange } from "./held-values.js";
import type { Place, Topology } from "./topology.js";

/** What of a bucket a rank encodes first, and which sum it owns. */
export interface Share {
  /** The bucket; with two levels, the part of it that this rank sums inside its node. */
  readonly part: FlatRange;
  /** Its shard of the part. */
  readonly shard: FlatRange;
}

/** Of one bucket, for one rank. @param blockLength of the codec. */
export function shareOf(bucket: FlatRange, topology: Topology, rank: number, blockLength: number): Share {
  const { node, local } = topology.places[rank] as Place;
  const part = topology.ranksPerNode > 1 ? within(bucket, local, topology.ranksPerNode, 8) : bucket;
  const shard = topology.numNodes > 1 ? within(part, node, topology.numNodes, blockLength) : part;
  return { part, shard };
}

function within({ begin, end }: FlatRange, index: number, size: number, blockLength: number): FlatRange {
  const own = shardLayout(end - begin, size, blockLength).ranges[index] as FlatRange;
  return { begin: begin + own.begin, end: begin + own.end };
}
