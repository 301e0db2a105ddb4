import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesPerValue, type Cluster, type Exchange, type Kind, predict, type Work } from "../src/lib/scaling-model.js";

const kinds: readonly Kind[] = ["float32", "bf16", "squinch"];
const work: Work = {
  parameters: 8_000_000,
  forward: 0.1,
  backward: 0.2,
  optimiser: 0.02,
  codec: { encode: 0, decodeAdd: 0, decode: 0 },
  bucket: 1_000_000,
};
const cluster = (ranks: number, changes: Partial<Cluster> = {}): Cluster => ({
  ranks,
  outside: { bytesPerSecond: 30e6, latency: 0, secondsPerMessage: 0 },
  ...changes,
});

describe("bytes", () => {
  it("are 2 (W − 1) / W of the gradient's for each rank", () => {
    const { bytesSent } = predict(work, cluster(4), { kind: "bf16" });
    expect(bytesSent).toBe(2 * (3 / 4) * 8_000_000 * 2);
  });

  it("are the gradient's once and the parameters' once where optimiser states are sharded", () => {
    const { bytesSent } = predict(work, cluster(4), { kind: "squinch", mode: "sharded", parameterBytes: 2 });
    expect(bytesSent).toBe((3 / 4) * 8_000_000 * (0.75 + 2));
  });

  it("are none on one rank", () => {
    for (const kind of kinds) {
      const { bytesSent, exchange, exposed } = predict(work, cluster(1), { kind });
      expect([bytesSent, exchange, exposed]).toEqual([0, 0, 0]);
    }
  });

  it("across a trunk are those of every pair with an end at each site", () => {
    const trunk = { bytesPerSecond: 1e6, latency: 0 };
    const inside = { bytesPerSecond: 1e9, latency: 0, secondsPerMessage: 0 };
    for (const [ranks, ranksPerGroup, levels] of [
      [8, 1, 1],
      [8, 2, 2],
      [8, 4, 2],
      [16, 2, 2],
    ] as const) {
      const { trunkBytes } = predict(work, cluster(ranks, { trunk, inside, ranksPerGroup }), { kind: "bf16", levels });
      const groups = ranks / ranksPerGroup;
      let counted = 0;
      for (let column = 0; column < ranksPerGroup; column++)
        for (let from = 0; from < groups / 2; from++)
          for (let to = groups / 2; to < groups; to++)
            counted += (2 * (work.parameters / ranksPerGroup) * bytesPerValue.bf16) / groups;
      expect(trunkBytes).toBeCloseTo(counted, 3);
    }
  });
});

describe("the exchange's time", () => {
  it("is bytes over bandwidth where nothing else costs", () => {
    const exchange = predict(work, cluster(4), { kind: "float32" }).exchange;
    expect(exchange).toBeCloseTo((2 * (3 / 4) * 8_000_000 * 4) / 30e6, 9);
  });

  it("is in the ratio of bits where nothing else costs", () => {
    const [bf16 = 0, squinch = 0] = (["bf16", "squinch"] as const).map(
      (kind) => predict(work, cluster(4), { kind }).exchange,
    );
    expect(squinch / bf16).toBeCloseTo(0.375, 9);
  });

  it("is the codec's alone on an endless network", () => {
    const codec = { encode: 1e-9, decodeAdd: 2e-9, decode: 3e-9 };
    const outside = { bytesPerSecond: Number.POSITIVE_INFINITY, latency: 0, secondsPerMessage: 0 };
    const { exchange } = predict({ ...work, codec }, cluster(4, { outside }), { kind: "squinch" });
    expect(exchange).toBeCloseTo(8_000_000 * (1 + 1 / 4 + 2 + 3) * 1e-9, 9);
  });

  it("has each bucket's messages and latency in both phases", () => {
    const outside = { bytesPerSecond: Number.POSITIVE_INFINITY, latency: 5e-5, secondsPerMessage: 1e-5 };
    const { exchange, messages } = predict(work, cluster(64, { outside }), { kind: "squinch" });
    expect(messages).toBe(8 * 2 * 63);
    expect(exchange).toBeCloseTo(8 * 2 * (5e-5 + 63e-5), 9);
  });

  it("never falls with more ranks, less bandwidth or more bytes a value", () => {
    const anyCluster = fc.record({
      ranks: fc.integer({ min: 1, max: 4096 }),
      bytesPerSecond: fc.double({ min: 1e6, max: 1e11, noNaN: true }),
      latency: fc.double({ min: 0, max: 1e-2, noNaN: true }),
    });
    const anyMode = fc.constantFrom<NonNullable<Exchange["mode"]>>("replicated", "sharded");
    fc.assert(
      fc.property(anyCluster, anyMode, fc.integer({ min: 0, max: 2 }), ({ ranks, ...rest }, mode, index) => {
        const outside = { ...rest, secondsPerMessage: 1e-6 };
        const time = (count: number, network: typeof outside, kind: Kind) =>
          predict(work, { ranks: count, outside: network }, { kind, mode }).exchange;
        const kind = kinds[index] as Kind;
        const base = time(ranks, outside, kind);
        expect(time(ranks + 1, outside, kind)).toBeGreaterThanOrEqual(base * (1 - 1e-12));
        const slower = { ...outside, bytesPerSecond: outside.bytesPerSecond / 2 };
        expect(time(ranks, slower, kind)).toBeGreaterThanOrEqual(base * (1 - 1e-12));
        expect(time(ranks, outside, "float32")).toBeGreaterThanOrEqual(base * (1 - 1e-12));
      }),
    );
  });
});

describe("the step's time", () => {
  it("is the computation's where the network keeps up, but for the last bucket", () => {
    const outside = { bytesPerSecond: 1e12, latency: 0, secondsPerMessage: 0 };
    const { step, exposed } = predict(work, cluster(4, { outside }), { kind: "bf16" });
    expect(exposed).toBeLessThan(1e-4);
    expect(step).toBeCloseTo(0.32, 3);
  });

  it("is the forward pass, the first bucket and the exchange where the network is slow", () => {
    const { step, exchange } = predict(work, cluster(4), { kind: "float32" });
    expect(step).toBeCloseTo(0.1 + 0.2 / 8 + exchange + 0.02, 9);
  });

  it("waits for gradients that are known last", () => {
    const early = predict(work, cluster(4), { kind: "squinch" }).step;
    const late = predict({ ...work, lastShare: 0.5 }, cluster(4), { kind: "squinch" }).step;
    expect(late).toBeGreaterThan(early);
  });

  it("has a W-th of the optimiser where its states are sharded", () => {
    const outside = { bytesPerSecond: Number.POSITIVE_INFINITY, latency: 0, secondsPerMessage: 0 };
    const { step } = predict(work, cluster(4, { outside }), { kind: "bf16", mode: "sharded" });
    expect(step).toBeCloseTo(0.3 + 0.02 / 4, 9);
  });
});

describe("two levels", () => {
  const inside = { bytesPerSecond: 1e9, latency: 0, secondsPerMessage: 0 };

  it("send the node's part once, not every rank's", () => {
    const flat = predict(work, cluster(64, { inside, ranksPerGroup: 8 }), { kind: "squinch" });
    const two = predict(work, cluster(64, { inside, ranksPerGroup: 8 }), { kind: "squinch", levels: 2 });
    const outsideBytes = two.bytesSent - 2 * (7 / 8) * work.parameters * 4;
    expect(outsideBytes).toBeCloseTo(2 * (7 / 8) * (work.parameters / 8) * 0.75, 3);
    expect(two.messages).toBeLessThan(flat.messages);
    expect(two.exchange).toBeLessThan(flat.exchange);
  });

  it("are the flat form where groups have one rank", () => {
    const flat = predict(work, cluster(16), { kind: "bf16" });
    expect(predict(work, cluster(16), { kind: "bf16", levels: 2 })).toEqual(flat);
  });

  it("need to know the network inside a group", () => {
    const alone = cluster(16, { ranksPerGroup: 4 });
    expect(() => predict(work, alone, { kind: "bf16", levels: 2 })).toThrow("network inside a group");
  });
});
