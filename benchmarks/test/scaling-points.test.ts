import { describe, expect, it } from "vitest";
import type { ExchangeReady } from "../src/lib/exchange-protocol.js";
import { decimalTicks, lineChart } from "../src/lib/line-chart.js";
import { markdownTable, replaceBetweenMarkers } from "../src/lib/markdown.js";
import { type NetworkRow, summarise } from "../src/lib/network-rows.js";
import { comparisons, measuredWork } from "../src/lib/scaling-points.js";
import { contestants, Scenarios } from "../src/lib/scaling-scenarios.js";

const ready: ExchangeReady = {
  ranks: 4,
  parameters: 8_000_000,
  bucketValues: 1_000_000,
  buckets: 8,
  tiedShare: 0.2,
  squinchBackend: "portable",
};
const work = (name: string, timeMs: number): NetworkRow => ({ measured: "work", work: name, timeMs });
const link = (linkMbit: number | null, payloadMbit: number): NetworkRow => ({
  measured: "link",
  linkMbit,
  payloadMbit,
  smallMs: 0,
});
const timed = { timeMs10: 0, timeMs90: 0, bytesSent: 1e6, rounds: 1 };
const first = contestants[0] as (typeof contestants)[0];
const kinds = ["float32", "bf16", "squinch"] as const;

// Nothing costs but the network, which passes 240 Mbit/s of 250.
const rows: NetworkRow[] = [
  ...kinds.flatMap((kind) => ["encode", "decodeAdd", "decode"].map((part) => work(`${kind} ${part}`, 0))),
  work("step alone, 1 micro-batch", 500),
  work("step alone, 2 micro-batches", 950),
  link(250, 240),
  link(1000, 960),
  link(null, 80_000),
  ...[250, 1000].flatMap((linkMbit): NetworkRow[] => [
    ...kinds.map((exchange, i): NetworkRow => {
      const timeMs = ([1600, 800, 300][i] as number) * (250 / linkMbit);
      return { measured: "exchange", exchange, linkMbit, ...timed, timeMs, linkBytes: timeMs };
    }),
    ...(["bf16", "squinch", "bf16, sharded", "squinch, sharded"] as const).map(
      (exchange): NetworkRow => ({
        measured: "step",
        layout: "4 x 1",
        exchange,
        linkMbit,
        ...timed,
        timeMs: 1000,
        exposedMs: 0,
        linkBytes: 1,
        parameterBytes: 0,
      }),
    ),
    ...(["squinch", "squinch, two levels"] as const).map(
      (exchange): NetworkRow => ({
        measured: "step",
        layout: "2 x 2",
        exchange,
        linkMbit,
        ...timed,
        timeMs: exchange === "squinch" ? 1000 : 800,
        exposedMs: 0,
        linkBytes: 1,
        parameterBytes: 0,
      }),
    ),
  ]),
];

describe("squinch-network's summary", () => {
  it("has ratios of medians at the same rate and layout", () => {
    const summary = summarise(rows);
    expect(summary.exchangeTimeRatioToBf16At250Mbit).toBe(0.375);
    expect(summary.exchangeTimeRatioToBf16BytesAt250Mbit).toBeCloseTo(0.3 / (8e6 / 240e6), 9);
    expect(summary.exchangeTimeRatioToFloat32At250Mbit).toBe(0.1875);
    expect(summary.twoLevelStepTimeRatioToFlatAt250Mbit).toBe(0.8);
  });

  it("says when a row is missing", () => {
    expect(() => summarise(rows.filter((row) => row.exchange !== "bf16"))).toThrow("expected a row that was measured");
  });
});

describe("the model at measured points", () => {
  it("takes the second micro-batch for the passes, and what remains for the optimiser", () => {
    const { forward, backward, optimiser } = measuredWork(rows, ready, "bf16");
    expect([forward, backward, optimiser]).toEqual([0.15, 0.3, 0.05].map((value) => expect.closeTo(value, 9)));
  });

  it("divides bytes by the rate that the link was found to have", () => {
    const [float32] = comparisons(rows, ready);
    expect(float32).toMatchObject({ what: "exchange, float32", linkMbit: 250, measured: 1.6 });
    expect(float32?.predicted).toBeCloseTo((2 * (3 / 4) * 8e6 * 4 * 8) / 240e6, 9);
  });

  it("halves a link that two ranks share, and only between hosts", () => {
    const find = (what: string) => comparisons(rows, ready).find((one) => one.what === what && one.linkMbit === 250);
    const compute = 0.5;
    const flat = (find("step, squinch, 2 × 2")?.predicted ?? 0) - compute;
    const two = (find("step, squinch, two levels, 2 × 2")?.predicted ?? 0) - compute;
    expect(flat).toBeGreaterThan(0);
    expect(two).toBeLessThan(flat);
  });
});

describe("the scenarios", () => {
  const scenarios = new Scenarios(rows, ready);
  const step = (name: string, ranks: number, bucket: number) =>
    scenarios.cluster(contestants.find((one) => one.name === name) ?? first, ranks, bucket).step;

  it("show messages where small buckets meet thousands of ranks, and two levels against them", () => {
    expect(step("Squinch", 4096, 4) / step("bf16", 4096, 4)).toBeGreaterThan(0.8);
    expect(step("Squinch, two levels", 4096, 4)).toBeLessThan(step("Squinch", 4096, 4) / 4);
  });

  it("send a site's sum across the trunk once in two levels", () => {
    const bytes = (name: string) =>
      scenarios.sites(contestants.find((one) => one.name === name) ?? first, 1).trunkBytes;
    expect(bytes("Squinch, two levels")).toBeCloseTo(1.3e9 * 0.75, 0);
    expect(bytes("Squinch") / bytes("Squinch, two levels")).toBeCloseTo(64, 9);
  });
});

describe("what is written", () => {
  it("replaces what lies between markers, and nothing else", () => {
    const text = "a\n<!-- one -->\nold\n<!-- /one -->\nb";
    expect(replaceBetweenMarkers(text, { one: "new" })).toBe("a\n<!-- one -->\nnew\n<!-- /one -->\nb");
    expect(() => replaceBetweenMarkers(text, { two: "" })).toThrow("<!-- two -->");
  });

  it("has tables with numbers to the right", () => {
    expect(markdownTable(["a", "b"], [["c", "1"]])).toBe("| a | b |\n| --- | ---: |\n| c | 1 |");
  });

  it("has charts whose every series ends in its name, within the picture", () => {
    const points = [
      [1, 0.3],
      [10, 30],
    ] as const;
    const text = { title: "t", x: "x", y: "y" };
    const svg = lineChart(
      [1, 2, 3].map((i) => ({ name: `series ${i}`, points })),
      [1, 10],
      text,
    );
    const heights = [...svg.matchAll(/y="([\d.]+)" fill="#\w+">series/g)].map((match) => Number(match[1]));
    expect(heights).toHaveLength(3);
    expect(new Set(heights).size).toBe(3);
    expect(Math.max(...heights)).toBeLessThan(430);
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it("has ticks of 1, 2 and 5 around the values", () => {
    expect(decimalTicks([0.3, 30])).toEqual([0.2, 0.5, 1, 2, 5, 10, 20, 50]);
    expect(decimalTicks([1, 10])).toEqual([1, 2, 5, 10]);
  });
});
