import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { int4Codec } from "../src/lib/int4-codec.js";

function roundTrip(x: Float32Array): Float32Array {
  const bytes = new Uint8Array(int4Codec.bytes(x.length));
  int4Codec.encode(x, bytes, {});
  const out = new Float32Array(x.length);
  int4Codec.decode(bytes, out);
  return out;
}

describe("int4 blocks", () => {
  it("takes 4.5 bits a value, the last block whole", () => {
    expect(int4Codec.bytes(32)).toBe(18);
    expect(int4Codec.bytes(33)).toBe(36);
    expect(int4Codec.bytes(0)).toBe(0);
  });

  it("comes within half a step of every value, whatever the length", () => {
    for (const length of [1, 7, 32, 33, 1000]) {
      const x = randomFloats(length, length);
      const decoded = roundTrip(x);
      for (let first = 0; first < length; first += 32) {
        const largest = x.subarray(first, first + 32).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (let i = first; i < Math.min(length, first + 32); i++) {
          // Half a step; bfloat16 shifts the scale by 1/256 at most, seven times which is the largest value's share.
          const bound = (largest / 7) * (0.5 + 8 / 256);
          expect(Math.abs((decoded[i] as number) - (x[i] as number))).toBeLessThanOrEqual(bound);
        }
      }
    }
  });

  it("keeps zeros, signs and multiples of the scale exactly", () => {
    const x = Float32Array.from({ length: 32 }, (_, i) => (i % 15) - 7);
    expect([...roundTrip(x)]).toEqual([...x.map((value) => value + 0)]);
    expect(roundTrip(new Float32Array(40)).every((value) => Object.is(value, 0))).toBe(true);
  });

  it("adds what it decodes, times a factor", () => {
    const x = Float32Array.of(7, -7, 3);
    const bytes = new Uint8Array(int4Codec.bytes(3));
    int4Codec.encode(x, bytes, {});
    const out = Float32Array.of(10, 10, 10);
    int4Codec.decode(bytes, out, { accumulate: true, scale: 0.5 });
    expect([...out]).toEqual([13.5, 6.5, 11.5]);
  });

  it("carries what it lost to the next time, so that nothing is lost in the long run", () => {
    const x = randomFloats(64, 3);
    const residual = new Float32Array(64);
    const sum = new Float64Array(64);
    const rounds = 200;
    const bytes = new Uint8Array(int4Codec.bytes(64));
    const out = new Float32Array(64);
    for (let round = 0; round < rounds; round++) {
      int4Codec.encode(x, bytes, { residual });
      int4Codec.decode(bytes, out);
      out.forEach((value, i) => {
        sum[i] = (sum[i] as number) + value;
      });
    }
    // One residual, at most about half a step of 0.5, is still owed; float32 sums add 1e-6 each.
    sum.forEach((value, i) => {
      expect(Math.abs(value / rounds - (x[i] as number))).toBeLessThan(0.5 / rounds);
    });
  });

  it("saturates what is not finite, and counts it", () => {
    const x = Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const bytes = new Uint8Array(int4Codec.bytes(4));
    expect(int4Codec.encode(x, bytes, {})).toEqual({ nonFinite: 3 });
    const out = new Float32Array(4);
    int4Codec.decode(bytes, out);
    expect(out[1]).toBe(0);
    expect(out[2]).toBeGreaterThan(1e38);
    expect(out[3]).toBe(-(out[2] as number));
  });
});
