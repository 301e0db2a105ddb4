import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CodebookName, codebook as tablesOf } from "../src/codebook.js";
import { decodeWith, encodeWith, forEachBackend } from "./support/backends.js";
import { floatsOf, neighbour } from "./support/bits.js";
import { levels, maxabs, referenceEncode } from "./support/reference.js";

const codebooks: CodebookName[] = ["sqrt", "adam", "lloyd"];
const finite = fc.integer({ min: 0, max: 0xffffffff }).filter((bits) => ((bits >>> 23) & 255) !== 255);
const wide = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

forEachBackend((ops) => {
  describe.each(codebooks)("stochastic rounding with %s", (codebook) => {
    it("gives the reference's bytes for any values, seed and stream", () => {
      const law = fc.property(fc.array(finite, { maxLength: 40 }), wide, wide, (bits, seed, stream) => {
        const x = floatsOf(bits);
        const { bytes } = encodeWith(ops, x, { codebook, stochastic: true, seed, stream });
        expect(bytes).toEqual(referenceEncode(x, { codebook, stochastic: { seed, stream } }));
      });
      fc.assert(law, { numRuns: 300 });
    });

    it("gives the reference's bytes for several chunks with a tail", () => {
      const x = randomFloats(2 * 8192 + 13, 1, 1e-3).map((value, i) => (i % 11 === 0 ? 0 : value));
      const { bytes } = encodeWith(ops, x, { codebook, stochastic: true, seed: 5, stream: 7n });
      expect(bytes).toEqual(referenceEncode(x, { codebook, stochastic: { seed: 5n, stream: 7n } }));
    });

    it("gives the reference's bytes on and beside top levels and levels", () => {
      const tops = maxabs.flatMap((maximum) =>
        [-1, 0, 1].map((steps) => neighbour(Math.fround((levels[codebook][15] as number) * maximum), steps)),
      );
      const x = Float32Array.from(
        tops.flatMap((top) => [top, -top, top / 2, ...levels[codebook].slice(0, 5).map((level) => level * top)]),
      );
      const { bytes } = encodeWith(ops, x, { codebook, stochastic: true, seed: 1 });
      expect(bytes).toEqual(referenceEncode(x, { codebook, stochastic: { seed: 1n, stream: 0n } }));
    });

    it("depends on seed, stream and place alone, not on what follows", () => {
      const x = randomFloats(100, 2);
      const whole = encodeWith(ops, x, { codebook, stochastic: true, seed: 3, stream: 4 }).bytes;
      const part = encodeWith(ops, x.slice(0, 48), { codebook, stochastic: true, seed: 3, stream: 4 }).bytes;
      expect(whole.slice(0, 36)).toEqual(part);
      for (const other of [
        { seed: 4, stream: 4 },
        { seed: 3, stream: 5 },
      ]) {
        expect(encodeWith(ops, x, { codebook, stochastic: true, ...other }).bytes).not.toEqual(whole);
      }
    });

    it("has the value as its mean, for zeros, tiny values, both signs and the block's largest", () => {
      const block = [0, 1e-5, -1e-5, 0.3, -0.3, 0.77, -1, -0];
      // The same block many times: each place has its own words, and every copy is one more draw of each value.
      const copies = 65536;
      const x = Float32Array.from({ length: 8 * copies }, (_, i) => block[i % 8] as number);
      const { bytes } = encodeWith(ops, x, { codebook, stochastic: true, seed: 11 });
      const decoded = decodeWith(ops, bytes, new Float32Array(x.length), { codebook });
      for (const [place, value] of block.entries()) {
        let sum = 0;
        let squares = 0;
        for (let i = place; i < decoded.length; i += 8) {
          sum += decoded[i] as number;
          squares += (decoded[i] as number) ** 2;
        }
        const mean = sum / copies;
        const deviation = Math.sqrt(Math.max(0, squares / copies - mean ** 2) / copies);
        // Five standard deviations of the mean: with fixed seeds it holds or it doesn't. 1e-7 is float32's rounding.
        expect(Math.abs(mean - Math.fround(value)), `of ${value}`).toBeLessThan(5 * deviation + 1e-7);
      }
    });

    it("keeps levels as they are and zero blocks at zero", () => {
      const x = tablesOf(codebook)
        .levels.slice(8)
        .map((level) => level * 2 ** 10);
      const options = { codebook, stochastic: true, seed: 1 };
      const q = encodeWith(ops, x, options).bytes[0] as number;
      const exact = tablesOf(codebook)
        .levels.slice(8)
        .map((level) => Math.fround(level * (maxabs[q] as number)));
      for (let stream = 0; stream < 20; stream++) {
        const { bytes } = encodeWith(ops, exact, { ...options, stream });
        expect([...bytes.subarray(2)]).toEqual([0x98, 0xba, 0xdc, 0xfe]);
      }
      expect(encodeWith(ops, Float32Array.of(0, -0, 0), options).bytes).toEqual(new Uint8Array(6));
    });

    it("gives no sign to padding", () => {
      for (let seed = 0; seed < 40; seed++) {
        const { bytes } = encodeWith(ops, Float32Array.of(1, 0, -1), { codebook, stochastic: true, seed });
        expect((bytes[1] as number) >> 3).toBe(0);
        expect([(bytes[3] as number) >> 4, bytes[4], bytes[5]]).toEqual([0, 0, 0]);
      }
    });

    it("keeps values below the smallest maximum alive, and cuts off those above the range", () => {
      const tiny = encodeWith(ops, Float32Array.of(1e-20), { codebook, stochastic: true, seed: 1 }).bytes;
      expect(tiny[0]).toBe(1);
      const huge = encodeWith(ops, Float32Array.of(-3e38), { codebook, stochastic: true, seed: 1 }).bytes;
      expect([...huge.subarray(0, 3)]).toEqual([255, 1, 15]);
    });
  });
});
