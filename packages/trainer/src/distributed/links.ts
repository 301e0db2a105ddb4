import type { Communicator } from "@cai/native";
import { flatTopology, nodeTopology, type Place, type Topology } from "./topology.js";

/** The two orders of operations that an exchange by two phases needs. */
export interface PhasePair {
  readonly scatter: Communicator;
  readonly gather: Communicator;
}

/** The communicators of one rank's exchange. */
export interface Links {
  readonly topology: Topology;
  /** Between nodes, which are single ranks when there is one level. Absent when there is one node. */
  readonly between: PhasePair | undefined;
  /** Inside the node. Absent when it has one rank. */
  readonly inside: PhasePair | undefined;
  /** For parameters in the `sharded` mode. */
  readonly parameters: Communicator;
  close(): void;
}

/** Every rank must call it; blocks. @throws CaiError `E_CONFIG` as {@link nodeTopology}. */
export function openLinks(
  communicator: Communicator,
  { levels, ranksPerNode }: { levels: 1 | 2 | number; ranksPerNode: number },
): Links {
  const topology = levels === 2 ? nodeTopology(communicator, ranksPerNode) : flatTopology(communicator.size);
  const { node, local } = topology.places[communicator.rank] as Place;
  const opened: Communicator[] = [];
  const open = (made: Communicator) => {
    opened.push(made);
    return made;
  };
  const group = (color: number) => {
    const scatter = open(communicator.split(color, communicator.rank));
    return { scatter, gather: open(scatter.duplicate()) };
  };
  const between = topology.numNodes > 1 ? group(local) : undefined;
  const inside = topology.ranksPerNode > 1 ? group(node) : undefined;
  const parameters = open(communicator.duplicate());
  const close = () => {
    for (const made of opened.reverse()) made.close();
  };
  return { topology, between, inside, parameters, close };
}

/** Bytes of gradients that this rank has given to others so far. */
export function gradientBytes({ between, inside }: Links): number {
  const pairs = [between, inside].flatMap((pair) => (pair ? [pair.scatter, pair.gather] : []));
  return pairs.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
}
