import { bf16Codec } from "@cai/squinch";
import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { CodecPolicy } from "../../src/distributed/codec-policy.js";
import { TensorSample } from "../../src/distributed/tensor-sample.js";
import { tinyRecipe } from "../support/tiny-recipe.js";

const groups = [
  { begin: 0, end: 8192, decay: true, names: ["embedding"] },
  { begin: 8192, end: 16_400, decay: true, names: ["q", "k"] },
  { begin: 16_400, end: 16_416, decay: false, names: ["norm"] },
];
const recipe = tinyRecipe({}, { distributed: { exchange: "squinch", policy: "measured", policyEvery: 5 } });

/** A gradient whose first half is of the kind of a rarely used embedding: most rows are zero. */
function gradient(): Float32Array {
  const values = randomFloats(16_416, 1);
  for (let row = 0; row < 512; row++) if (row % 8 !== 0) values.fill(0, 16 * row, 16 * row + 15);
  return values;
}

describe("CodecPolicy", () => {
  it("sends large tensors by the recipe's codebook and small ones as bf16 before anything is measured", () => {
    const policy = new CodecPolicy(groups, recipe);
    expect(policy.codecs).toEqual({ embedding: "sqrt", q: "sqrt", k: "sqrt", norm: "bf16" });
    expect(policy.codecOf({ begin: 8192, end: 16_400 }).name).toBe("squinch-sqrt");
    expect(policy.codecOf({ begin: 16_400, end: 16_416 })).toBe(bf16Codec);
    expect(groups.map((group) => policy.kindOf(group))).toEqual(["embedding", "q", "small"]);
  });

  it("chooses by what codebooks do to a sample, in units of Adam, and lets others follow", () => {
    const first = new CodecPolicy(groups, recipe);
    const other = new CodecPolicy(groups, recipe);
    const flat = gradient();
    for (const group of groups) first.sample(group, flat);
    const quality = first.measure(({ begin, end }) => flat.subarray(begin, end).map((value) => value * value));
    expect(Object.keys(quality)).toEqual(["embedding", "q"]);
    expect(quality.embedding?.sqrt?.zeroShare).toBeGreaterThan(0.5);
    const choice = first.choose(quality);
    expect(other.follow(choice)).toBe(true);
    expect(other.follow(choice)).toBe(false);
    expect(other.codecs.embedding).not.toBe("sqrt");
    expect(other.codecs).toMatchObject({ norm: "bf16", k: other.codecs.q });

    const resumed = new CodecPolicy(groups, recipe);
    resumed.codecs = other.codecs;
    expect(resumed.codecs).toEqual(other.codecs);
  });

  it("keeps what it had of tensors that were not sampled, and of a step that was not made", () => {
    const policy = new CodecPolicy(groups, recipe);
    policy.sample({ begin: 0, end: 8192 }, gradient());
    policy.forget();
    expect(policy.follow(policy.choose(policy.measure(() => new Float32Array(8192))))).toBe(false);
  });

  it("is due every so many updates, from the first on", () => {
    const policy = new CodecPolicy(groups, recipe);
    expect([0, 1, 4, 5, 10].filter((updates) => policy.isDue(updates))).toEqual([0, 5, 10]);
  });

  it("names the tensor whose codec a checkpoint does not tell", () => {
    const policy = new CodecPolicy(groups, recipe);
    expect(() => {
      policy.codecs = { embedding: "adam", q: "int3", k: "adam", norm: "bf16" };
    }).toThrow("expected one of sqrt, adam, lloyd, bf16 for q, got int3");
  });
});

describe("TensorSample", () => {
  it("takes whole blocks, each once, spread over the range", () => {
    const flat = Float32Array.from({ length: 100_000 }, (_, i) => i);
    const sample = new TensorSample({ begin: 16, end: 80_019 });
    sample.take(flat);
    const blocks = Array.from({ length: 1024 }, (_, i) => sample.gradient.subarray(8 * i, 8 * i + 8));
    const first = blocks.map(([value]) => value as number);
    for (const block of blocks)
      expect([...block]).toEqual(Array.from({ length: 8 }, (_, i) => (block[0] as number) + i));
    expect(first.every((value) => value % 8 === 0)).toBe(true);
    expect(first).toEqual([...new Set(first)].sort((a, b) => a - b));
    expect(first[0]).toBeLessThan(100);
    expect(first.at(-1)).toBeGreaterThan(79_900);
    expect([...sample.moments(({ begin, end }) => flat.subarray(begin, end))]).toEqual([...sample.gradient]);
  });
});
