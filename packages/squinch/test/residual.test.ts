import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { decode } from "../src/decode.js";
import { encode, encodeInto } from "../src/encode.js";
import { encodedLength } from "../src/format.js";
import { decodeWith, encodeWith, forEachBackend } from "./support/backends.js";
import { referenceEncode } from "./support/reference.js";

const round32 = Math.fround;
const zip = (a: Float32Array, b: Float32Array, f: (a: number, b: number) => number) =>
  a.map((value, i) => f(value, b[i] as number));

forEachBackend((ops) => {
  describe("a residual", () => {
    it.each([1, 8, 13, 8192, 20_005])("is added to %i values, and what the bytes lack comes back", (n) => {
      const x = randomFloats(n, 1);
      const residual = randomFloats(n, 2, 0.1);
      const values = zip(x, residual, (a, b) => round32(a + b));
      const residualOut = new Float32Array(n);
      const { bytes } = encodeWith(ops, x, { residual, residualOut });
      expect(bytes).toEqual(referenceEncode(values));
      const decoded = decodeWith(ops, bytes, new Float32Array(n));
      expect(residualOut).toEqual(zip(values, decoded, (a, b) => round32(a - b)));
      expect(residual).toEqual(randomFloats(n, 2, 0.1));
    });

    it("may be replaced in place", () => {
      const x = randomFloats(20_005, 3);
      const residual = randomFloats(x.length, 4, 0.1);
      const residualOut = new Float32Array(x.length);
      const { bytes } = encodeWith(ops, x, { residual, residualOut });
      expect(encodeWith(ops, x, { residual, residualOut: residual }).bytes).toEqual(bytes);
      expect(residual).toEqual(residualOut);
    });

    it("may be started by residualOut alone, also from bfloat16 and with stochastic rounding", () => {
      const x = Uint16Array.from({ length: 8200 }, (_, i) => 0x3c00 + (i % 700));
      const widened = new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);
      const residualOut = new Float32Array(x.length);
      const { bytes } = encodeWith(ops, x, { residualOut, stochastic: true, seed: 1 });
      expect(residualOut).toEqual(
        zip(widened, decodeWith(ops, bytes, new Float32Array(x.length)), (a, b) => round32(a - b)),
      );
    });

    it("receives the values themselves while the gain is not known yet", () => {
      const x = randomFloats(9000, 5);
      const residual = randomFloats(9000, 6);
      const residualOut = new Float32Array(9000);
      encodeWith(ops, x, { residual, residualOut, gain: true });
      expect(residualOut).toEqual(zip(x, residual, (a, b) => round32(a + b)));
    });

    it("is left untouched when a value is refused, however late", () => {
      const x = randomFloats(30_000, 7);
      x[29_999] = Number.POSITIVE_INFINITY;
      const residual = randomFloats(x.length, 8);
      expect(encodeWith(ops, x, { residual, residualOut: residual }).firstNonFinite).toBe(29_999);
      expect(residual).toEqual(randomFloats(x.length, 8));
      const residualOut = new Float32Array(x.length).fill(3);
      expect(encodeWith(ops, x, { residualOut }).firstNonFinite).toBe(29_999);
      expect(residualOut).toEqual(new Float32Array(x.length).fill(3));
    });
  });
});

describe("error feedback", () => {
  it("makes the sum of what was sent follow the sum of gradients, where rounding alone drifts", () => {
    const n = 4096;
    // A constant direction: nearest rounding makes the same error in every step.
    const gradient = randomFloats(n, 9);
    const steps = 50;
    const total = (options: { residual?: Float32Array }) => {
      const sum = new Float32Array(n);
      for (let step = 0; step < steps; step++) decode(encode(gradient, options), n, { out: sum, accumulate: true });
      return sum;
    };
    const distance = (sum: Float32Array) =>
      Math.sqrt(zip(sum, gradient, (a, b) => (a - steps * b) ** 2).reduce((a, b) => a + b));
    // Measured 0.047: what is outstanding is one step's error instead of 50, and it moves.
    expect(distance(total({ residual: new Float32Array(n) }))).toBeLessThan(0.1 * distance(total({})));
  });

  it("takes off the decoded values with their gain", () => {
    const n = 9003;
    const x = randomFloats(n, 10);
    const residual = randomFloats(n, 11, 0.1);
    const values = zip(x, residual, (a, b) => round32(a + b));
    const out = new Uint8Array(encodedLength(n, { gain: true }));
    encodeInto(x, out, { residual, gain: true });
    expect(residual).toEqual(zip(values, decode(out, n, { gain: true }), (a, b) => round32(a - b)));
  });
});
