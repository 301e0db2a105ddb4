import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CodebookName } from "../src/codebook.js";
import { decodeWith, encodeWith, forEachBackend } from "./support/backends.js";
import { bitsOf } from "./support/bits.js";
import { referenceDecode } from "./support/reference.js";

const codebooks: CodebookName[] = ["sqrt", "adam", "lloyd"];
const round32 = Math.fround;
const same = (actual: Float32Array, expected: Float32Array) => expect(bitsOf(actual)).toEqual(bitsOf(expected));

forEachBackend((ops) => {
  describe.each(codebooks)("decoding with %s", (codebook) => {
    it("gives the reference's bits for every q_max, code and sign", () => {
      const bytes = Uint8Array.from({ length: 256 * 4 * 6 }, (_, i) => {
        const block = Math.floor(i / 6);
        const pair = 4 * (block % 4) + (i % 6) - 2;
        return [block >> 2, block % 2 ? 0xa5 : 0x5a][i % 6] ?? (pair | ((15 - pair) << 4)) & 255;
      });
      const n = (bytes.length / 6) * 8;
      same(decodeWith(ops, bytes, new Float32Array(n), { codebook }), referenceDecode(bytes, n, codebook));
    });

    it("gives the reference's bits for any bytes and every tail, readers ignoring the padding", () => {
      const bytesAndLength = fc
        .integer({ min: 0, max: 40 })
        .chain((n) =>
          fc.tuple(fc.uint8Array({ minLength: 6 * Math.ceil(n / 8), maxLength: 6 * Math.ceil(n / 8) }), fc.constant(n)),
        );
      const law = fc.property(bytesAndLength, ([bytes, n]) => {
        same(decodeWith(ops, bytes, new Float32Array(n), { codebook }), referenceDecode(bytes, n, codebook));
      });
      fc.assert(law, { numRuns: 300 });
    });

    it("rounds to float32 after the level, the gain, the scale and the sum", () => {
      const n = 8192 + 21;
      const { bytes } = encodeWith(ops, randomFloats(n, 1), { codebook });
      const before = randomFloats(n, 2, 10);
      const gain = round32(1.0049);
      const scale = round32(1 / 3);
      const decoded = referenceDecode(bytes, n, codebook);
      const scaled = decoded.map((value) => round32(round32(value * gain) * scale));
      same(decodeWith(ops, bytes, new Float32Array(n), { codebook, gain, scale }), scaled);
      const sum = scaled.map((value, i) => (before[i] as number) + value);
      same(decodeWith(ops, bytes, before.slice(), { codebook, gain, scale, accumulate: true }), sum);
    });

    it("encodes what it decoded to the same bytes", () => {
      const { bytes } = encodeWith(ops, randomFloats(4000, 3), { codebook });
      const decoded = decodeWith(ops, bytes, new Float32Array(4000), { codebook });
      // Not every block: one whose largest code is small has a smaller maximum the second time.
      const again = encodeWith(ops, decoded, { codebook }).bytes;
      const whole = Array.from({ length: 500 }, (_, i) => 6 * i).filter((i) => again[i] === bytes[i]);
      expect(whole.length).toBeGreaterThan(300);
      for (const i of whole) expect(again.subarray(i, i + 6)).toEqual(bytes.subarray(i, i + 6));
    });
  });

  it("takes q_max 0 as zeros whatever follows, and adds them like others", () => {
    const bytes = Uint8Array.of(0, 255, 255, 255, 255, 255);
    const zeros = decodeWith(ops, bytes, new Float32Array(8).fill(5));
    expect([...zeros]).toEqual(Array(8).fill(0));
    const minusZero = decodeWith(ops, bytes, new Float32Array(8).fill(-0), { accumulate: true });
    expect([...minusZero]).toEqual(Array(8).fill(0));
    expect([...decodeWith(ops, bytes, new Float32Array(8), { scale: -1 })]).toEqual(Array(8).fill(-0));
  });

  it("decodes zeros of a live block to maxabs / 1024 with sqrt and to zero with adam", () => {
    const x = Float32Array.of(0.9, 0, -0);
    const back = (codebook: CodebookName) =>
      decodeWith(ops, encodeWith(ops, x, { codebook }).bytes, new Float32Array(3), { codebook });
    expect([...back("sqrt")].slice(1)).toEqual([1 / 1024, 1 / 1024]);
    expect([...back("adam")].slice(1)).toEqual([0, 0]);
  });
});
