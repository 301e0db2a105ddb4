import { CaiError, type Communicator } from "@cai/native";
import { gather } from "./agreement.js";

/** Which node a rank belongs to, and which of the node's ranks it is. */
export interface Place {
  readonly node: number;
  readonly local: number;
}

/** Where every rank stands. */
export interface Topology {
  readonly numNodes: number;
  readonly ranksPerNode: number;
  /** By rank. */
  readonly places: readonly Place[];
}

/** Every rank by itself: the exchange has one level. */
export function flatTopology(size: number): Topology {
  return { numNodes: size, ranksPerNode: 1, places: Array.from({ length: size }, (_, node) => ({ node, local: 0 })) };
}

/**
 * Ranks by node. Every rank must call it; blocks.
 *
 * @param ranksPerNode consecutive ranks that make a node; 0 goes by machine.
 * @throws CaiError `E_CONFIG` unless all nodes have as many ranks.
 */
export function nodeTopology(communicator: Communicator, ranksPerNode: number): Topology {
  const first = communicator.localRanks[0] ?? communicator.rank;
  const owners = gather(communicator, [ranksPerNode > 0 ? Math.floor(communicator.rank / ranksPerNode) : first]);
  const keys = owners.map(([key]) => key as number);
  const nodes = [...new Set(keys)];
  const members = nodes.map((node) => keys.flatMap((key, rank) => (key === node ? [rank] : [])));
  const counts = members.map(({ length }) => length);
  if (new Set(counts).size > 1) {
    const how = ranksPerNode > 0 ? `distributed.ranksPerNode is ${ranksPerNode}` : "nodes are machines";
    throw new CaiError(
      "E_CONFIG",
      "recipe",
      `distributed.levels: 2 needs as many ranks in every node, got ${counts.join(", ")} (${how}): start another number`,
    );
  }
  const places = keys.map((key, rank) => {
    const node = nodes.indexOf(key);
    return { node, local: (members[node] as number[]).indexOf(rank) };
  });
  return { numNodes: nodes.length, ranksPerNode: counts[0] as number, places };
}
