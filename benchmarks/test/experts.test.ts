import { intTensor } from "@cai/native";
import { ParameterStore } from "@cai/trainer/parts";
import { describe, expect, it } from "vitest";
import { ExpertCounts, embeddingParts, mixtureParts, rangeOf } from "../src/lib/experts/gradient-parts.js";
import { partQuality } from "../src/lib/experts/part-quality.js";
import type { Routing } from "../src/lib/mixture/routing.js";

describe("partQuality", () => {
  const unit = Float32Array.from({ length: 16 }, (_, i) => (i < 8 ? 1 : 10));

  it("takes the ratio of powers, and each value in its own unit", () => {
    const exact = Float64Array.from({ length: 16 }, (_, i) => (i < 8 ? 1 : 10));
    const decoded = Float32Array.from(exact, (x, i) => (i < 8 ? x + 0.1 : x));
    const quality = partQuality(exact, decoded, unit, [[0, 16]]);
    expect(quality.snrDb).toBeCloseTo(10 * Math.log10(808 / 0.08), 4);
    expect(quality.adamSnrDb).toBeCloseTo(10 * Math.log10(16 / 0.08), 4);
    expect(quality.values).toBe(16);
  });

  it("looks at the ranges only", () => {
    const exact = new Float64Array(16).fill(2);
    const decoded = Float32Array.from(exact, (x, i) => (i === 3 ? 100 : x));
    expect(
      partQuality(exact, decoded, unit, [
        [0, 3],
        [4, 16],
      ]).snrDb,
    ).toBe(Number.POSITIVE_INFINITY);
    expect(partQuality(exact, decoded, unit, [[3, 4]]).snrDb).toBeCloseTo(20 * Math.log10(2 / 98), 6);
  });

  it("counts zeros beside other values in a block, and what became of them", () => {
    const exact = new Float64Array(16);
    exact[0] = 4;
    const decoded = Float32Array.from(exact, (x, i) => (x === 0 && i < 8 ? 0.5 : x));
    const { zeroShare, zeroBias, adamZeroRms } = partQuality(exact, decoded, unit, [[0, 16]]);
    expect(zeroShare).toBe(7 / 16);
    // The root mean square is 4 / √16.
    expect(zeroBias).toBeCloseTo(0.5, 6);
    expect(adamZeroRms).toBeCloseTo(0.5, 6);
  });

  it("knows no bias where there is no such zero", () => {
    expect(partQuality(new Float64Array(8), new Float32Array(8), unit, [[0, 8]]).zeroBias).toBe(0);
  });
});

describe("parts of a gradient", () => {
  const matrix = (name: string, shape: number[]) => ({ name, shape, init: { constant: 0 }, decay: true });

  it("finds the embedding rows that one rank looked up, and those that all did", () => {
    const store = new ParameterStore([matrix("before", [32]), matrix("embedding", [4, 8])]);
    const batches = [{ tokens: Int32Array.of(0, 0, 1) }, { tokens: Int32Array.of(1, 3) }];
    expect(embeddingParts(store, "embedding", batches).map(({ ranges }) => ranges)).toEqual([
      [
        [32, 40],
        [56, 64],
      ],
      [[40, 48]],
    ]);
  });

  it("sorts experts by the rows that they got, all ranks together, those without any left out", () => {
    const routing = (...counts: number[]) => {
      const first = [0, ...counts.map((_, e) => counts.slice(0, e + 1).reduce((sum, count) => sum + count, 0))];
      return { first, order: intTensor(new Int32Array(0), [0]) } as unknown as Routing;
    };
    const counts = new ExpertCounts();
    counts.add(0, routing(5, 0, 1, 9));
    counts.add(0, routing(5, 0, 3, 9));
    expect(counts.quarters(0)).toEqual({ rare: [2], frequent: [3] });
    expect(counts.shares()).toEqual([[10 / 32, 0, 4 / 32, 18 / 32]]);

    const names = {
      router: [4, 8],
      qkv: [2, 8],
      attention_out: [2, 8],
      experts_up: [4, 2, 8],
      experts_down: [4, 8, 2],
    };
    const store = new ParameterStore(Object.entries(names).map(([name, shape]) => matrix(`0.${name}`, shape)));
    const parts = new Map(mixtureParts(store, 1, counts).map(({ name, ranges }) => [name, ranges]));
    const [up] = rangeOf(store, "0.experts_up");
    expect(parts.get("their first matrices")).toEqual([[up + 32, up + 48]]);
    expect(parts.get("routers")).toEqual([rangeOf(store, "0.router")]);
    expect(parts.get("experts, the most chosen quarter")?.[0]).toEqual([up + 48, up + 64]);
    counts.reset();
    expect(counts.shares()).toEqual([]);
  });
});
