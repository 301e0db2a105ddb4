// What a training step costs on many ranks, by docs/scaling.md. Seconds, bytes, values; every rank does the same.

export type Kind = "float32" | "bf16" | "squinch";

export const bytesPerValue: Readonly<Record<Kind, number>> = { float32: 4, bf16: 2, squinch: 0.75 };

export interface Exchange {
  readonly kind: Kind;
  /** `sharded`: the gradient's first phase, then parameters of `parameterBytes` each. Default `replicated`. */
  readonly mode?: "replicated" | "sharded";
  /** Default 4. */
  readonly parameterBytes?: 2 | 4;
  /** 2: exact inside a group of ranks, `kind` between groups. Default 1. */
  readonly levels?: 1 | 2;
}

export interface Network {
  /** What a rank sends to other nodes at most, its part of the node's link; as much comes in meanwhile. */
  readonly bytesPerSecond: number;
  /** From a rank's first byte to its receiver, once a phase. */
  readonly latency: number;
  /** What each message costs the rank that sends one and takes one. */
  readonly secondsPerMessage: number;
}

export interface Cluster {
  readonly ranks: number;
  readonly outside: Network;
  /** Ranks of one node, or of one site: those among which the two-level form is exact. Default 1. */
  readonly ranksPerGroup?: number;
  /** Between the ranks of a group; needed where a group has several. */
  readonly inside?: Network;
  /** Half the ranks at each end of one link that all share. */
  readonly trunk?: { readonly bytesPerSecond: number; readonly latency: number };
}

/** Seconds a value on one rank, in the order in which an exchange needs them. */
export interface CodecCost {
  readonly encode: number;
  /** Decoding what another rank sent and adding it. */
  readonly decodeAdd: number;
  readonly decode: number;
}

/** One rank's own work in a step. */
export interface Work {
  readonly parameters: number;
  readonly forward: number;
  readonly backward: number;
  readonly optimiser: number;
  readonly codec: CodecCost;
  /** The same for the exact sums inside a group, in the two-level form. Default: nothing. */
  readonly exactCodec?: CodecCost;
  /** Values that are exchanged together. */
  readonly bucket: number;
  /** The share of parameters whose gradients are known only when the backward pass ends: tied embeddings. Default 0. */
  readonly lastShare?: number;
}

export interface Prediction {
  /** Given to other ranks by each, parameters included. */
  readonly bytesSent: number;
  /** Of these, across the trunk, by all ranks of one site together. */
  readonly trunkBytes: number;
  readonly messages: number;
  /** The smallest message's length in bytes. */
  readonly messageBytes: number;
  /** The exchange of a whole gradient by itself, parameters included. */
  readonly exchange: number;
  /** What the exchange adds to the step, overlapped as it is. */
  readonly exposed: number;
  readonly step: number;
}

/** One bucket's stages. */
interface Stages {
  readonly codecFirst: number;
  readonly codecLast: number;
  /** The network's stages; those of different links run beside each other on different buckets. */
  readonly inside: number;
  readonly outside: number;
}

/** What the ranks of `cluster` need for a step of `work` with `exchange`. */
export function predict(work: Work, cluster: Cluster, exchange: Exchange): Prediction {
  const buckets = Math.max(1, Math.ceil(work.parameters / work.bucket));
  const stages = stagesOf(work.parameters / buckets, work, cluster, exchange);
  const parameters = parameterPhase(work.parameters, cluster, exchange);
  const compute = work.forward + work.backward;
  const known = exchangeEnd(readyTimes(work, buckets), stages);
  const share = exchange.mode === "sharded" ? 1 / cluster.ranks : 1;
  const exposed = Math.max(known - compute, 0) + parameters.seconds;
  return {
    ...traffic(work.parameters, buckets, cluster, exchange),
    exchange: exchangeEnd(new Array<number>(buckets).fill(0), stages) + parameters.seconds,
    exposed,
    step: compute + exposed + work.optimiser * share,
  };
}

/** When each bucket's gradient is known: evenly over the backward pass, the last share at its end. */
function readyTimes({ forward, backward, lastShare = 0 }: Work, buckets: number): number[] {
  return Array.from({ length: buckets }, (_, i) => {
    const share = (i + 1) / buckets;
    return forward + backward * (share > 1 - lastShare ? 1 : share / (1 - lastShare));
  });
}

/**
 * When the last bucket is decoded. One thread encodes and decodes; it is also the one that computes, so that codec work
 * delays all later buckets. Each link takes one bucket after the other.
 */
function exchangeEnd(ready: readonly number[], { codecFirst, codecLast, inside, outside }: Stages): number {
  let delay = 0;
  let slowest = 0;
  const wide = Math.max(inside, outside);
  for (const time of ready) {
    const encoded = time + delay + codecFirst;
    delay += codecFirst + codecLast;
    slowest = Math.max(slowest, encoded) + wide;
  }
  const thread = (ready.at(-1) ?? 0) + delay;
  return Math.max(slowest + Math.min(inside, outside) + codecLast, thread);
}

function stagesOf(values: number, { codec, exactCodec }: Work, cluster: Cluster, exchange: Exchange): Stages {
  const { group, peers, part } = geometry(cluster, exchange);
  const phases = exchange.mode === "sharded" ? 1 : 2;
  const between = codecSeconds(values * part, peers, codec, phases);
  const exact = exactCodec === undefined ? nothing : codecSeconds(values, group, exactCodec, 2);
  return {
    codecFirst: exact.first + between.first,
    codecLast: between.last + exact.last,
    inside: part < 1 ? 2 * phaseSeconds(cluster.inside, group, values * bytesPerValue.float32) : 0,
    outside: phases * outsideSeconds(values * part, bytesPerValue[exchange.kind], cluster, exchange),
  };
}

const nothing = { first: 0, last: 0 };

/** What a rank encodes before the first phase, and what it decodes and encodes after that. */
function codecSeconds(values: number, peers: number, { encode, decodeAdd, decode }: CodecCost, phases: number) {
  if (peers <= 1) return nothing;
  const second = phases === 2 ? (values / peers) * encode + values * decode : 0;
  return { first: values * encode, last: values * decodeAdd + second };
}

/** Groups as this exchange sees them: `peers` ranks exchange a `part` of the gradient with one another. */
function geometry({ ranks, ranksPerGroup = 1 }: Cluster, { levels = 1 }: Exchange) {
  return levels === 2
    ? { group: ranksPerGroup, peers: ranks / ranksPerGroup, part: 1 / ranksPerGroup }
    : { group: 1, peers: ranks, part: 1 };
}

/** One phase among `size` ranks that hold `bytes` each: every rank sends a part to every other. */
function phaseSeconds(network: Network | undefined, size: number, bytes: number): number {
  if (size <= 1) return 0;
  if (network === undefined) throw new RangeError("predict: expected the network inside a group of several ranks");
  const others = size - 1;
  return network.latency + others * network.secondsPerMessage + ((others / size) * bytes) / network.bytesPerSecond;
}

/** One phase between all ranks or, in the two-level form, between the groups. */
function outsideSeconds(values: number, bytesEach: number, cluster: Cluster, exchange: Exchange): number {
  const { peers } = geometry(cluster, exchange);
  if (peers <= 1) return 0;
  const { outside, inside, trunk, ranksPerGroup = 1 } = cluster;
  const bytes = values * bytesEach;
  // In the flat form some peers are neighbours, whose part never meets the node's link.
  const neighbours = exchange.levels === 2 ? 0 : ranksPerGroup - 1;
  const afar = peers - 1 - neighbours;
  const near = inside === undefined ? 0 : (neighbours * bytes) / peers / inside.bytesPerSecond;
  const far = (afar * bytes) / peers / outside.bytesPerSecond;
  const across = trunk === undefined ? 0 : trunkPhaseBytes(values, bytesEach, cluster, exchange) / trunk.bytesPerSecond;
  const latency = outside.latency + (trunk?.latency ?? 0);
  return latency + (peers - 1) * outside.secondsPerMessage + Math.max(near, far, across);
}

/** Bytes that one phase puts on the trunk each way: half the peers send to half the peers, in every column of a group. */
function trunkPhaseBytes(values: number, bytesEach: number, cluster: Cluster, exchange: Exchange): number {
  const { peers } = geometry(cluster, exchange);
  const columns = cluster.ranks / peers;
  return cluster.trunk === undefined ? 0 : (columns * peers * values * bytesEach) / 4;
}

/** The all-gather of updated parameters, which nothing overlaps. */
function parameterPhase(parameters: number, cluster: Cluster, { mode, parameterBytes = 4 }: Exchange) {
  if (mode !== "sharded") return { seconds: 0 };
  return { seconds: outsideSeconds(parameters, parameterBytes, cluster, { kind: "float32" }) };
}

function traffic(parameters: number, buckets: number, cluster: Cluster, exchange: Exchange) {
  const { group, peers, part } = geometry(cluster, exchange);
  const { mode = "replicated", kind, parameterBytes = 4 } = exchange;
  const own = parameters * part;
  const sharded = mode === "sharded";
  const phaseBytes = own * bytesPerValue[kind] + (sharded ? own * parameterBytes : own * bytesPerValue[kind]);
  const insideBytes = 2 * ((group - 1) / group) * parameters * bytesPerValue.float32;
  const trunkOf = (bytesEach: number) => trunkPhaseBytes(own, bytesEach, cluster, exchange);
  return {
    bytesSent: ((peers - 1) / peers) * phaseBytes + insideBytes,
    trunkBytes: trunkOf(bytesPerValue[kind]) + trunkOf(sharded ? parameterBytes : bytesPerValue[kind]),
    messages: buckets * 2 * (peers - 1 + (group - 1)),
    messageBytes: (own * bytesPerValue[kind]) / buckets / peers,
  };
}
