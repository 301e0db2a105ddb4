import { randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { decode } from "../src/decode.js";
import { encode, encodeInto } from "../src/encode.js";
import { encodedLength } from "../src/format.js";
import { encodeWith, forEachBackend } from "./support/backends.js";
import { referenceDecode, referenceEncode } from "./support/reference.js";

/** Both sums as FORMAT.md orders them. */
function referenceSums(x: Float32Array): [number, number] {
  const d = referenceDecode(referenceEncode(x), x.length);
  return [sumOf((i) => (x[i] as number) * (d[i] as number), x.length), sumOf((i) => (d[i] as number) ** 2, x.length)];
}

function sumOf(term: (i: number) => number, n: number): number {
  let total = 0;
  for (let chunk = 0; chunk < n; chunk += 8192) {
    const s = Array(8).fill(0) as [number, number, number, number, number, number, number, number];
    for (let i = chunk; i < Math.min(n, chunk + 8192); i++) s[i % 8] = (s[i % 8] as number) + term(i);
    total += s[0] + s[1] + (s[2] + s[3]) + (s[4] + s[5] + (s[6] + s[7]));
  }
  return total;
}

forEachBackend((ops) => {
  it.each([0, 1, 9, 8192, 8193, 40_003])("takes the sums for the gain of %i values in the order of the format", (n) => {
    const x = randomFloats(n, 4, 1e-4);
    const { product, square } = encodeWith(ops, x, { gain: true });
    expect([product, square]).toEqual(referenceSums(x));
    expect(encodeWith(ops, x).product).toBe(0);
  });
});

describe("gain", () => {
  const x = randomFloats(20_003, 6, 1e-3);

  it("is the least-squares factor, sent behind the blocks as a little-endian float32", () => {
    const out = new Uint8Array(encodedLength(x.length, { gain: true }));
    const { gain } = encodeInto(x, out, { gain: true });
    const [product, square] = referenceSums(x);
    expect(gain).toBe(Math.fround(product / square));
    expect(gain).not.toBe(1);
    expect(out.subarray(0, -4)).toEqual(encode(x));
    expect(new DataView(out.buffer).getFloat32(out.length - 4, true)).toBe(gain);
    expect(encode(x, { gain: true })).toEqual(out);
  });

  it("is applied by decode before the scale, and lessens the error", () => {
    const bytes = encode(x, { gain: true });
    const plain = decode(encode(x), x.length);
    const gain = encodeInto(x, bytes, { gain: true }).gain;
    const decoded = decode(bytes, x.length, { gain: true, scale: 0.3 });
    expect(decoded).toEqual(plain.map((value) => Math.fround(value * gain) * Math.fround(0.3)));
    const error = (back: Float32Array) => back.reduce((sum, value, i) => sum + (value - (x[i] as number)) ** 2, 0);
    expect(error(decode(bytes, x.length, { gain: true }))).toBeLessThan(error(plain));
  });

  it("is 1 for nothing and for zeros, and makes up for what is cut off above the range", () => {
    const gainOf = (values: Float32Array) =>
      encodeInto(values, new Uint8Array(encodedLength(values.length) + 4), { gain: true }).gain;
    expect(gainOf(new Float32Array(0))).toBe(1);
    expect(gainOf(new Float32Array(20))).toBe(1);
    const cut = decode(encode(Float32Array.of(3e38)), 1)[0] as number;
    expect(gainOf(Float32Array.of(3e38))).toBe(Math.fround(Math.fround(3e38) / cut));
  });

  it("is refused with stochastic rounding, and by readers when it is not positive and finite", () => {
    const options = { gain: true, rounding: "stochastic" } as const;
    expect(() => encode(x, options)).toThrow("use one of them");
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const bytes = encode(Float32Array.of(1, 2), { gain: true });
      new DataView(bytes.buffer).setFloat32(6, bad, true);
      expect(() => decode(bytes, 2, { gain: true })).toThrow("the gain must be positive and finite");
    }
  });
});
