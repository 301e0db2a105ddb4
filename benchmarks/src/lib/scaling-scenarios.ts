// What nobody here has measured: assumptions, which docs/scaling.md states, carried through the model.
import type { ExchangeReady } from "./exchange-protocol.js";
import type { Series } from "./line-chart.js";
import type { NetworkRow } from "./network-rows.js";
import { type Cluster, type Exchange, type Kind, type Prediction, predict, type Work } from "./scaling-model.js";
import { codecCost } from "./scaling-points.js";

export interface Contestant {
  readonly name: string;
  readonly exchange: Exchange;
}

export const contestants: readonly Contestant[] = [
  { name: "float32", exchange: { kind: "float32" } },
  { name: "bf16", exchange: { kind: "bf16" } },
  { name: "Squinch", exchange: { kind: "squinch" } },
  { name: "bf16, two levels", exchange: { kind: "bf16", levels: 2 } },
  { name: "Squinch, two levels", exchange: { kind: "squinch", levels: 2 } },
];

const gbit = 1e9 / 8;
/** Of the rank that encodes; the bench's ranks have half a core each. */
const coresPerRank = 8;
const measuredCores = 0.5;

const inside = { bytesPerSecond: 10e9, latency: 2e-6, secondsPerMessage: 1e-6 };
const nodeRanks = 8;
/** Eight ranks share a link of 100 Gbit/s. */
const outside = { bytesPerSecond: (100 * gbit) / nodeRanks, latency: 10e-6, secondsPerMessage: 1e-6 };

export const worldSizes = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
export const trunkGbits = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
export const siteRanks = 64;

export class Scenarios {
  readonly #work: (kind: Kind, bucketMiB: number) => Work;

  /** @param rows of squinch-network, for what encoding and decoding cost. */
  constructor(rows: readonly NetworkRow[], ready: ExchangeReady) {
    const cost = (kind: Kind) => {
      const { encode, decodeAdd, decode } = codecCost(rows, ready, kind);
      const share = measuredCores / coresPerRank;
      return { encode: encode * share, decodeAdd: decodeAdd * share, decode: decode * share };
    };
    this.#work = (kind, bucketMiB) => ({
      parameters: 1.3e9,
      forward: 2 / 3,
      backward: 4 / 3,
      optimiser: 0.05,
      codec: cost(kind),
      exactCodec: cost("float32"),
      bucket: bucketMiB * 2 ** 18,
    });
  }

  /** `ranks` of one cluster, eight a node. */
  cluster({ exchange }: Contestant, ranks: number, bucketMiB: number): Prediction {
    return predict(
      this.#work(exchange.kind, bucketMiB),
      { ranks, ranksPerGroup: nodeRanks, outside, inside },
      exchange,
    );
  }

  /** Two sites that share one link of `trunkGbit`, 20 ms apart; the levels are the sites. */
  sites({ exchange }: Contestant, trunkGbit: number): Prediction {
    const trunk = { bytesPerSecond: trunkGbit * gbit, latency: 0.02 };
    const twoSites: Cluster = { ranks: 2 * siteRanks, ranksPerGroup: siteRanks, outside, inside: outside, trunk };
    return predict(this.#work(exchange.kind, 256), twoSites, exchange);
  }

  clusterSeries(bucketMiB: number): Series[] {
    return contestants.map((one) => ({
      name: one.name,
      points: worldSizes.map((ranks) => [ranks, this.cluster(one, ranks, bucketMiB).step] as const),
    }));
  }

  siteSeries(): Series[] {
    return contestants.map((one) => ({
      name: one.name,
      points: trunkGbits.map((rate) => [rate, this.sites(one, rate).step] as const),
    }));
  }
}
