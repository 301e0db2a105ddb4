// Usage: npm run scaling -w @cai/benchmarks   (after npm run build and npm run bench -- squinch-network)
// Writes the tables of docs/scaling.md between their markers, and its plots beside it, from results/squinch-network.json.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExchangeReady } from "../lib/exchange-protocol.js";
import { lineChart } from "../lib/line-chart.js";
import { markdownTable, replaceBetweenMarkers } from "../lib/markdown.js";
import type { NetworkRow } from "../lib/network-rows.js";
import { benchmarksFolder } from "../lib/paths.js";
import { comparisons } from "../lib/scaling-points.js";
import { contestants, Scenarios, trunkGbits, worldSizes } from "../lib/scaling-scenarios.js";

interface NetworkResult {
  readonly rows: readonly NetworkRow[];
  readonly peers: ExchangeReady;
}

const result = JSON.parse(
  readFileSync(join(benchmarksFolder, "results", "squinch-network.json"), "utf8"),
) as NetworkResult;
const docs = join(benchmarksFolder, "..", "docs");
const scenarios = new Scenarios(result.rows, result.peers);
const smallBucket = 4;
const largeBucket = 256;

function measuredTable(): string {
  const rows = comparisons(result.rows, result.peers).map(({ what, linkMbit, predicted, measured }) => {
    const error = `${predicted >= measured ? "+" : "−"}${Math.abs(100 * (predicted / measured - 1)).toFixed(0)} %`;
    return [what, linkMbit.toLocaleString("en-GB"), seconds(predicted), seconds(measured), error];
  });
  return markdownTable(["what", "link, Mbit/s", "predicted, s", "measured, s", "error"], rows);
}

function clusterTable(): string {
  const sizes = [64, 1024, 4096];
  const rows = contestants.flatMap((one) =>
    [smallBucket, largeBucket].map((bucket) => [
      one.name,
      `${bucket}`,
      ...sizes.map((ranks) => seconds(scenarios.cluster(one, ranks, bucket).step)),
      Math.round(scenarios.cluster(one, 4096, bucket).messageBytes).toLocaleString("en-GB"),
    ]),
  );
  const columns = sizes.map((ranks) => `${ranks.toLocaleString("en-GB")} ranks, s`);
  return markdownTable(["exchange", "bucket, MiB", ...columns, "bytes a message at 4,096"], rows);
}

function sitesTable(): string {
  const rates = [1, 10, 100];
  const rows = contestants.map((one) => [
    one.name,
    ...rates.map((rate) => seconds(scenarios.sites(one, rate).step)),
    (scenarios.sites(one, 1).trunkBytes / 1e9).toFixed(1),
  ]);
  return markdownTable(["exchange", ...rates.map((rate) => `${rate} Gbit/s, s`), "GB each way a step"], rows);
}

function seconds(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

const path = join(docs, "scaling.md");
const text = { measured: measuredTable(), cluster: clusterTable(), sites: sitesTable() };
writeFileSync(path, replaceBetweenMarkers(readFileSync(path, "utf8"), text));
writeFileSync(
  join(docs, "scaling-ranks.svg"),
  lineChart(scenarios.clusterSeries(largeBucket), worldSizes, {
    title: "A step of 1.3 G parameters, 8 ranks a node, 100 Gbit/s a node (model)",
    x: "ranks",
    y: "seconds a step",
  }),
);
writeFileSync(
  join(docs, "scaling-sites.svg"),
  lineChart(scenarios.siteSeries(), trunkGbits, {
    title: "The same on two sites of 64 ranks, one link of 20 ms between them (model)",
    x: "Gbit/s between the sites",
    y: "seconds a step",
  }),
);
