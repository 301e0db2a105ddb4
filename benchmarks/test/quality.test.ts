import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { codes } from "../src/lib/quality/codes.js";
import { distributions } from "../src/lib/quality/distributions.js";
import { int, mxfp6 } from "../src/lib/quality/number-formats.js";
import { kindOf } from "../src/lib/quality/real-gradients.js";

const through = (code: { roundTrip(x: Float32Array): Float32Array }, ...values: number[]) => [
  ...code.roundTrip(Float32Array.from(values)),
];

describe("MXFP6", () => {
  it("rounds E2M3 to nearest with ties to even, and saturates at 7.5", () => {
    // The largest magnitude's exponent is 2, so the scale is 1 and elements are what they say.
    const values = [7.8, 7.25, 6.75, 4.1, 2.125, 2.375, 1.0625, 0.1, -0.0625, -0.0626, 0.1875];
    expect(through(mxfp6("E2M3"), ...values)).toEqual([7.5, 7, 7, 4, 2, 2.5, 1, 0.125, -0, -0.125, 0.25]);
  });

  it("rounds E3M2 likewise, with 28 for its largest and 1/16 for its least", () => {
    const values = [31, 27, 22, 18, 1.125, 1.375, 0.25, 0.03125, 0.032, -0.2];
    expect(through(mxfp6("E3M2"), ...values)).toEqual([28, 28, 24, 16, 1, 1.5, 0.25, 0, 0.0625, -0.1875]);
  });

  it("scales 32 values by one power of two: the largest's exponent less the element's", () => {
    const x = new Float32Array(64).fill(2 ** -20);
    x[0] = 1;
    const out = mxfp6("E2M3").roundTrip(x);
    // In the first block the step is 2^-5 at least, in the second values keep.
    expect([out[0], out[1], out[32], out[63]]).toEqual([1, 0, 2 ** -20, 2 ** -20]);
  });

  it("leaves its own values alone, at every scale that float32 has but the smallest", () => {
    const grid = [0, 0.125, 0.25, 0.875, 1, 1.125, 1.875, 2, 2.25, 3.75, 4, 4.5, 7.5, -7.5, -0.125];
    for (let exponent = -120; exponent <= 120; exponent += 15) {
      const scaled = grid.map((value) => value * 2 ** exponent);
      expect(through(mxfp6("E2M3"), ...scaled)).toEqual(scaled);
    }
  });
});

describe("linear codes", () => {
  it("have an exact zero, and errors of half a step at most", () => {
    for (const bits of [4, 5, 6, 8]) {
      const x = randomFloats(8000, bits);
      x[3] = 0;
      const out = int(bits).roundTrip(x);
      expect(out[3]).toBe(0);
      for (let start = 0; start < x.length; start += 8) {
        const block = [...x.subarray(start, start + 8)];
        // maxabs is at most e^(1/6) above the largest; float32 rounds the result.
        const halfStep = (Math.max(...block.map(Math.abs)) * Math.exp(1 / 6)) / (2 ** bits - 1);
        block.forEach((value, i) => {
          expect(Math.abs((out[start + i] as number) - value)).toBeLessThanOrEqual(halfStep * (1 + 1e-6));
        });
      }
    }
  });

  it("take as many bits as they say, scales and all", () => {
    expect(Object.fromEntries(codes.map(({ name, bitsPerValue }) => [name, bitsPerValue]))).toMatchObject({
      "squinch sqrt": 6,
      int5: 6,
      "mxfp6 E2M3": 6.25,
      int8: 9,
      bf16: 16,
    });
  });
});

describe("the distributions", () => {
  it("have the moments of their names", () => {
    const count = 65_536;
    const kurtosis = (values: readonly number[]) => {
      const square = values.reduce((sum, value) => sum + value ** 2, 0) / count;
      return values.reduce((sum, value) => sum + value ** 4, 0) / count / square ** 2;
    };
    const byName = new Map(distributions.map(({ name, draw }) => [name, draw(count, 1)]));
    const values = (name: string) => [...(byName.get(name)?.x ?? [])];
    // Standard errors: about 0.02 and 0.15.
    expect(Math.abs(kurtosis(values("normal")) - 3)).toBeLessThan(0.1);
    expect(Math.abs(kurtosis(values("laplace")) - 6)).toBeLessThan(0.8);
    expect(kurtosis(values("student3"))).toBeGreaterThan(8);
    const spread = byName.get("sigma2");
    const inUnits = values("sigma2").map((value, i) => value / (spread?.unit?.[i] as number));
    expect(Math.abs(kurtosis(inUnits) - 3)).toBeLessThan(0.1);
  });
});

describe("kinds of tensors", () => {
  it("are told from the names of both layouts", () => {
    const kinds = {
      "model.embed_tokens.weight": "embedding",
      "wpe.weight": "embedding",
      "lm_head.weight": "head",
      "model.layers.0.self_attn.q_proj.weight": "attention",
      "h.1.attn.c_proj.weight": "attention",
      "h.1.attn.c_attn.bias": "bias",
      "model.layers.3.mlp.down_proj.weight": "feedForward",
      "h.0.mlp.c_fc.weight": "feedForward",
      "model.layers.1.input_layernorm.weight": "norm",
      "h.1.ln_2.bias": "norm",
      "model.norm.weight": "norm",
      "ln_f.weight": "norm",
    };
    expect(Object.fromEntries(Object.keys(kinds).map((name) => [name, kindOf(name)]))).toEqual(kinds);
  });
});
