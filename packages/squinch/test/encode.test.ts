import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CodebookName } from "../src/codebook.js";
import { encodeWith, forEachBackend } from "./support/backends.js";
import { bitsOf, floatsOf, neighbour } from "./support/bits.js";
import { maxabs, referenceEncode } from "./support/reference.js";

const codebooks: CodebookName[] = ["sqrt", "adam", "lloyd"];
const finiteBits = fc.integer({ min: 0, max: 0xffffffff }).filter((bits) => ((bits >>> 23) & 255) !== 255);
const boundary = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
  .map(
    ([q, steps, negative]) => (bitsOf([neighbour(maxabs[q] as number, steps)])[0] as number) + (negative ? 2 ** 31 : 0),
  );

forEachBackend((ops) => {
  describe.each(codebooks)("encoding with %s", (codebook) => {
    const check = (x: Float32Array) => {
      expect(encodeWith(ops, x, { codebook }).bytes).toEqual(referenceEncode(x, { codebook }));
    };

    it("gives the reference's bytes for every exponent, also with smaller values beside it", () => {
      const values: number[] = [];
      for (let exponent = 0; exponent < 255; exponent++) {
        for (const mantissa of [0, 1, 0x2aaaaa, 0x400000, 0x7fffff]) {
          const bits = (exponent << 23) | mantissa;
          const [value] = floatsOf([bits]) as unknown as [number];
          values.push(value, -value / 2, value / 3, -value / 7, 0, -0, value / 100, -value / 1000);
        }
      }
      check(Float32Array.from(values));
    });

    it("gives the reference's bytes for block maxima on and beside every entry of the table", () => {
      const values = maxabs.flatMap((entry) =>
        [-2, -1, 0, 1, 2].flatMap((steps) => {
          const m = neighbour(entry, steps);
          return [m / 2, -m, 0, -0, m / 16, -m / 256, m, m / 3];
        }),
      );
      check(Float32Array.from(values));
    });

    it("gives the reference's bytes for values on and beside every threshold of many blocks", () => {
      for (const q of [1, 2, 60, 127, 128, 129, 200, 255]) {
        const maximum = maxabs[q] as number;
        const values = Array.from({ length: 16 }, (_, k) => (k / 16) ** 2 * maximum).flatMap((value) =>
          [-2, -1, 0, 1, 2].flatMap((steps) => [neighbour(maximum, -1), value === 0 ? 0 : neighbour(value, steps)]),
        );
        check(Float32Array.from(values));
      }
    });

    it("gives the reference's bytes for every length from 0 to 40", () => {
      for (let n = 0; n <= 40; n++) check(randomFloats(n, n + 1));
    });

    it("gives the reference's bytes for any bit patterns of finite values", () => {
      fc.assert(
        fc.property(fc.array(finiteBits, { maxLength: 64 }), (bits) => check(floatsOf(bits))),
        { numRuns: 300 },
      );
    });

    it("gives the reference's bytes for values near block maxima", () => {
      fc.assert(
        fc.property(fc.array(boundary, { maxLength: 24 }), (bits) => check(floatsOf(bits))),
        { numRuns: 300 },
      );
    });

    it("gives the reference's bytes for a vector of several chunks with a tail, in memory that is not aligned", () => {
      const x = randomFloats(3 * 8192 + 13, 5, 1e-3);
      const memory = new ArrayBuffer(4 * x.length + 4);
      const shifted = new Float32Array(memory, 4);
      shifted.set(x);
      check(shifted);
    });

    it("widens bfloat16", () => {
      for (const n of [0, 1, 7, 8, 9, 40, 8192, 8205]) {
        const bits = bitsOf(randomFloats(n, n + 3, 10)).map((word) => word >>> 16);
        const widened = floatsOf(bits.map((word) => word << 16));
        const { bytes } = encodeWith(ops, Uint16Array.from(bits), { codebook });
        expect(bytes).toEqual(referenceEncode(widened, { codebook }));
      }
    });

    it("counts exact zeros in live blocks, padding and dead blocks left out", () => {
      const x = Float32Array.of(1, 0, -0, 2, 0, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, -0);
      expect(encodeWith(ops, x, { codebook }).zeros).toBe(5);
    });
  });

  it("writes six zero bytes for blocks below the smallest maximum, whatever their signs", () => {
    const x = new Float32Array(16).fill(-neighbour(maxabs[0] as number, -1));
    expect(encodeWith(ops, x).bytes).toEqual(new Uint8Array(12));
  });

  it("takes the largest block for values above the range, without overflow", () => {
    const largest = floatsOf([0x7f7fffff])[0] as number;
    expect([...encodeWith(ops, Float32Array.of(largest, -largest, 1, 1, 1, 1, 1, 1)).bytes]).toEqual([
      255, 2, 255, 0, 0, 0,
    ]);
  });

  it("writes the sign of code 0 only where it has one", () => {
    const x = Float32Array.of(1, -1e-6, -0, -1e-6);
    expect(encodeWith(ops, x, { codebook: "sqrt" }).bytes[1]).toBe(0b1010);
    expect(encodeWith(ops, x, { codebook: "adam" }).bytes[1]).toBe(0);
  });
});
