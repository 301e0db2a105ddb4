import { randomInts } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox, type PhiloxWords, philox4x32, randomUniform, zeros } from "../js/index.js";

/** From the known answers published with Random123 (kat_vectors, philox4x32 10): counter, key, result. */
export const knownAnswers: [PhiloxWords, [number, number], PhiloxWords][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

const words64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe("philox4x32", () => {
  for (const [counter, key, answer] of knownAnswers) {
    it(`has the published answer for counter ${counter.map((word) => word.toString(16))}`, () => {
      expect(philox4x32(key, counter)).toEqual(answer);
    });
  }
});

describe("Philox", () => {
  it("draws the words of its blocks in order", () => {
    const generator = new Philox(0x0000000200000001n, 0x0000000400000003n);
    const drawn = Array.from({ length: 8 }, () => generator.uint32());
    expect(drawn).toEqual([...philox4x32([1, 2], [0, 0, 3, 4]), ...philox4x32([1, 2], [1, 0, 3, 4])]);
  });

  it("has the same uniform values as the native fill, for any seed, stream and position", () => {
    fc.assert(
      fc.property(words64, words64, fc.integer({ min: 0, max: 2 ** 50 }), (seed, stream, position) => {
        const out = zeros([9]);
        randomUniform(out, { seed, stream, offset: position });
        const generator = new Philox(seed, stream, position);
        expect(out.data).toEqual(Float32Array.from({ length: 9 }, () => generator.uniform()));
      }),
      { numRuns: 200 },
    );
  });

  it("goes on from a position as if it had never stopped", () => {
    const generator = new Philox(7);
    const drawn = Array.from({ length: 30 }, () => generator.uint32());
    for (const position of [0, 1, 5, 12, 29]) {
      expect(new Philox(7, 0, position).uint32()).toBe(drawn[position]);
      generator.position = position;
      expect(generator.uint32()).toBe(drawn[position]);
      expect(generator.position).toBe(position + 1);
    }
  });

  it("draws integers below n without favour", () => {
    // 2^32 mod n is large here: taking the remainder alone would make the lower third half as likely again.
    const n = 3 * 2 ** 30;
    const generator = new Philox(1);
    const count = 30_000;
    let lower = 0;
    for (let i = 0; i < count; i++) if (generator.below(n) < 2 ** 30) lower++;
    // Binomial with p = 1/3: 6 standard deviations are 0.0163 of the count. The biased answer is 1/2.
    expect(Math.abs(lower / count - 1 / 3)).toBeLessThan(0.0163);
  });

  it("reaches every integer below a small n and none beyond", () => {
    for (const n of [1, 2, 3, 10]) {
      const generator = new Philox(3, BigInt(n));
      const seen = new Set(randomInts(200, 2, 1).map(() => generator.below(n)));
      expect([...seen].sort((a, b) => a - b)).toEqual([...Array(n).keys()]);
    }
    expect(new Philox(5).below(2 ** 32)).toBe(new Philox(5).uint32());
  });

  it("refuses what it can't use", () => {
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53, -1n, 2n ** 64n])
      expect(() => new Philox(bad)).toThrow("Philox: seed");
    expect(() => new Philox(1, -2n)).toThrow("Philox: stream must be from 0 to 2^64 - 1, got -2");
    expect(() => new Philox(1, 0, -1)).toThrow("Philox: position must be a non-negative safe integer, got -1");
    for (const bad of [0, 1.5, 2 ** 32 + 1, Number.NaN])
      expect(() => new Philox(1).below(bad)).toThrow("Philox: n must");
  });
});
