import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { encode, encodeInto } from "../src/encode.js";
import { encodedLength } from "../src/format.js";
import { encodeWith, forEachBackend } from "./support/backends.js";
import { levels, maxabs, referenceEncode } from "./support/reference.js";

const top = Math.fround((levels.sqrt[15] as number) * (maxabs[255] as number));

forEachBackend((ops) => {
  it.each([0, 5, 8191, 8192, 20_000])("names the first value that is not finite, at %i", (index) => {
    const x = randomFloats(20_003, 1);
    x[index] = Number.NaN;
    x[20_002] = Number.NEGATIVE_INFINITY;
    expect(encodeWith(ops, x).firstNonFinite).toBe(index);
    expect(encodeWith(ops, x, { stochastic: true }).firstNonFinite).toBe(index);
  });

  it("replaces NaN by zero and infinities by the largest decoded value, and counts them", () => {
    const x = randomFloats(20_003, 2);
    const cleaned = x.slice();
    for (const [index, value, instead] of [
      [0, Number.NaN, 0],
      [9000, Number.POSITIVE_INFINITY, top],
      [9001, Number.NEGATIVE_INFINITY, -top],
      [20_002, Number.NaN, 0],
    ] as const) {
      x[index] = value;
      cleaned[index] = instead;
    }
    const encoded = encodeWith(ops, x, { saturate: true });
    expect(encoded.bytes).toEqual(referenceEncode(cleaned));
    expect(encoded).toMatchObject({ firstNonFinite: -1, nonFinite: 4, zeros: 2 });
    const residualOut = new Float32Array(x.length);
    encodeWith(ops, x, { saturate: true, residualOut });
    expect(residualOut[9000]).toBe(0);
    expect(residualOut.every(Number.isFinite)).toBe(true);
  });

  it("judges x + residual, not x", () => {
    const x = Float32Array.of(1, 3e38, 2);
    const residual = Float32Array.of(0, 3e38, 0);
    const residualOut = new Float32Array(3);
    expect(encodeWith(ops, x, { residual, residualOut }).firstNonFinite).toBe(1);
    expect(encodeWith(ops, x, { residual, residualOut, saturate: true }).nonFinite).toBe(1);
  });
});

describe("encode", () => {
  const x = Float32Array.of(1, 2, Number.NaN, 4);

  it("throws for values that are not finite, saying where and what to do", () => {
    expect(() => encode(x)).toThrow(
      "x is NaN at index 2, but only finite values can be encoded: leave this step out, or",
    );
    const residual = Float32Array.of(0, Number.POSITIVE_INFINITY, 0, 0);
    expect(() => encode(x, { residual })).toThrow("x + residual is not finite at index 1");
    expect(() => encode(Uint16Array.of(0, 0x7f80))).toThrow("x is not finite at index 1");
  });

  it("tells how many it replaced, and how many zeros come back as something else", () => {
    const out = new Uint8Array(encodedLength(4));
    expect(encodeInto(x, out, { nonFinite: "saturate" })).toEqual({ nonFinite: 1, zeros: 1, gain: 1 });
    expect(encodeInto(x, out, { nonFinite: "saturate", codebook: "adam" })).toEqual({
      nonFinite: 1,
      zeros: 0,
      gain: 1,
    });
  });
});
