import { createHash } from "node:crypto";
import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  floatTensor,
  isCaiError,
  type SquinchEncodeOptions,
  squinchDecode,
  squinchEncode,
  type Tensor,
  tensorOver,
  zeros,
} from "../js/index.js";
import {
  bitsOf,
  crowdedTables,
  floatOf,
  linearTables,
  nativeTables,
  powerTables,
  type ReferenceTables,
  referenceDecode,
  referenceEncode,
  referenceSums,
  sqrtTables,
} from "./squinch-reference.js";
import { withThreads } from "./with-threads.js";

const codebooks = { sqrt: sqrtTables, power: powerTables, linear: linearTables, crowded: crowdedTables };
const random = { seed: 0x123456789abcdefn, stream: 2n ** 40n + 7n };
const stochastic = { stochastic: true, ...random };
const lengths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 135, 2047, 2048, 2049, 8192, 8193, 20_011];

/** Room for n encoded values between bytes that must stay. */
function encodedOf(n: number): Tensor<"uint8"> & { whole: Uint8Array } {
  const size = 6 * Math.ceil(n / 8);
  const whole = new Uint8Array(size + 40).fill(0xee);
  return { ...tensorOver("uint8", whole.subarray(20, 20 + size), [size]), whole };
}

function encoded(x: Float32Array | Uint16Array, tables: ReferenceTables, options: SquinchEncodeOptions = {}) {
  const n = x.length;
  const out = encodedOf(n);
  const tensor = x instanceof Float32Array ? floatTensor(x, [n]) : tensorOver("bfloat16", x, [n]);
  const counts = squinchEncode(tensor, out, nativeTables(tables), options);
  expect([...out.whole.subarray(0, 20), ...out.whole.subarray(20 + out.data.length)].every((b) => b === 0xee)).toBe(
    true,
  );
  return { bytes: out.data, counts };
}

function decoded(bytes: Uint8Array, n: number, tables: ReferenceTables, options = {}, out = new Float32Array(n)) {
  squinchDecode(tensorOver("uint8", bytes, [bytes.length]), floatTensor(out, [n]), nativeTables(tables), options);
  return out;
}

const bits = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

/** Compares memory, bits and all; element by element only to tell where they differ. */
function expectSame<T extends Uint8Array | Float32Array>(actual: T, expected: T): void {
  const bytes = (x: T) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  if (!bytes(actual).equals(bytes(expected))) expect(bytes(actual).toJSON()).toEqual(bytes(expected).toJSON());
}

/** Magnitudes over the whole range, so that blocks of eight differ in scale. */
function wild(n: number, seed: number): Float32Array {
  const exponents = randomFloats(n, seed + 1000);
  return randomFloats(n, seed).map(
    (value, i) => value * 10 ** (4 * (exponents[i & ~7] as number) + (exponents[i] as number)),
  );
}

/** Every table boundary and what lies beside it, as the largest of a block and beside a largest. */
function boundaries({ maxima, inverses, thresholds, levels }: ReferenceTables): Float32Array {
  const near = (value: number) => [-2, -1, 0, 1, 2].map((step) => floatOf(bitsOf(value) + step));
  const values: number[] = [];
  maxima.forEach((maximum, q) => {
    const top = Math.fround(maximum * (levels[15] as number));
    for (const largest of [...near(maximum), ...near(top)]) values.push(largest, -largest / 3, 0, -0, 1e-45, 0, 0, 0);
    const scaled = thresholds.flatMap((t) => near(t / (inverses[q] as number)));
    const decoded = levels.flatMap((level) => near(Math.max(1e-40, level * maximum)));
    for (const value of [...scaled, ...decoded])
      values.push(value, -value, maximum * 0.9, 0, value / 2, -value / 3, 0, 0);
  });
  return Float32Array.from(values).map((value) => (Number.isFinite(value) ? value : 0));
}

/** Bit patterns at a stride that visits every exponent and sign, finite ones. */
function patterns(count: number): Float32Array {
  const x = new Float32Array(count);
  const words = bits(x);
  for (let i = 0; i < count; i++) words[i] = Math.imul(i, 0x9e3779b1);
  return x.map((value) => (Number.isFinite(value) ? value : 0));
}

describe.each(Object.entries(codebooks))("squinchEncode with %s levels", (_, tables) => {
  it.each(["nearest", "stochastic"])("follows the definition at every boundary, %s", (rounding) => {
    const options = rounding === "nearest" ? {} : stochastic;
    const x = boundaries(tables);
    expectSame(
      encoded(x, tables, options).bytes,
      referenceEncode(x, tables, rounding === "nearest" ? undefined : random),
    );
  });

  it.each(["nearest", "stochastic"])("follows the definition for all exponents and subnormals, %s", (rounding) => {
    const options = rounding === "nearest" ? {} : stochastic;
    const x = patterns(1 << 15);
    // Alone in its block, each value sets the scale; repeated with halves of itself, it meets all codes.
    const blocks = new Float32Array(8 * x.length).map(
      (_, i) => (x[i >> 3] as number) / ([1, 1.5, 2, 3, 5, -9, 30, -300][i & 7] as number),
    );
    for (const values of [x, blocks]) {
      expectSame(
        encoded(values, tables, options).bytes,
        referenceEncode(values, tables, rounding === "nearest" ? undefined : random),
      );
    }
  });

  it("pads the last block with zeros and writes nothing beyond it", () => {
    for (const n of lengths) {
      const x = wild(n, n);
      expectSame(encoded(x, tables).bytes, referenceEncode(x, tables));
      expectSame(encoded(x, tables, stochastic).bytes, referenceEncode(x, tables, random));
    }
  });

  it("decodes any bytes as defined, scales and adds, for every length", () => {
    for (const n of lengths) {
      const bytes = Uint8Array.from(randomFloats(6 * Math.ceil(n / 8), n), (value) => Math.abs(value * 1e6) & 255);
      const before = wild(n, n);
      expectSame(decoded(bytes, n, tables), referenceDecode(bytes, n, tables));
      const scaled = referenceDecode(bytes, n, tables, Math.fround(1.01), -0.25);
      expectSame(decoded(bytes, n, tables, { gain: 1.01, scale: -0.25 }), scaled);
      const sum = before.map((value, i) => value + (scaled[i] as number));
      const options = { gain: 1.01, scale: -0.25, accumulate: true };
      expectSame(decoded(bytes, n, tables, options, before.slice()), sum);
    }
  });

  it("keeps what was lost as a residual, in place, and adds it the next time", () => {
    for (const options of [{}, stochastic]) {
      for (const n of [5, 128, 3000, 20_011]) {
        const [x, residual] = [wild(n, n), randomFloats(n, n + 1)];
        const v = x.map((value, i) => value + (residual[i] as number));
        const inPlace = floatTensor(residual, [n]);
        const { bytes } = encoded(x, tables, { ...options, residual: inPlace, residualOut: inPlace });
        expectSame(bytes, referenceEncode(v, tables, options === stochastic ? random : undefined));
        const kept = referenceDecode(bytes, n, tables);
        expectSame(
          residual,
          v.map((value, i) => value - (kept[i] as number)),
        );
      }
    }
  });

  it("takes bfloat16 as the float32 values that it stands for", () => {
    const x = Uint16Array.from(bits(wild(20_011, 3)), (word) => word >>> 16);
    const widened = new Float32Array(Uint32Array.from(x, (word) => word << 16).buffer);
    const residual = randomFloats(x.length, 5);
    expectSame(encoded(x, tables).bytes, referenceEncode(widened, tables));
    const options = { residual: floatTensor(residual, [x.length]) };
    const sum = widened.map((value, i) => value + (residual[i] as number));
    expectSame(encoded(x, tables, options).bytes, referenceEncode(sum, tables));
  });

  it("sums products in the stated order, and hands the values over in the residual's place", () => {
    for (const n of [0, 3, 8192, 8193, 40_003]) {
      const x = wild(n, n);
      const residualOut = zeros([n]);
      const { bytes, counts } = encoded(x, tables, { gain: true, residualOut });
      expect(counts).toMatchObject(referenceSums(x, referenceDecode(bytes, n, tables)));
      expectSame(residualOut.data, x);
    }
  });

  it("gives the same bytes, sums and counts for any number of threads", () => {
    const n = 150_007;
    const x = wild(n, 1);
    x[100_001] = Number.NaN;
    const run = (count: number) =>
      withThreads(count, () => {
        const residualOut = zeros([n]);
        const results = [{}, stochastic].map((options) =>
          encoded(x, tables, { ...options, saturate: true, gain: true, residualOut }),
        );
        const arrays = [residualOut.data, ...results.map(({ bytes }) => bytes)];
        arrays.push(decoded(results[0]?.bytes as Uint8Array, n, tables));
        const digest = createHash("sha256");
        for (const array of arrays) digest.update(array);
        return { digest: digest.digest("hex"), counts: results.map(({ counts }) => counts) };
      });
    const one = run(1);
    for (const count of [2, 3, 7]) expect(run(count)).toEqual(one);
  });
});

describe("squinchEncode", () => {
  it("rounds stochastically without bias", () => {
    const n = 80_000;
    for (const [tables, value] of [
      [sqrtTables, 0.3],
      [sqrtTables, 0.0002],
      [powerTables, -0.001],
    ] as const) {
      // One of eight sets the scale.
      const x = new Float32Array(n).map((_, i) => (i % 8 ? value : 1));
      const d = decoded(encoded(x, tables, stochastic).bytes, n, tables).filter((_, i) => i % 8);
      const mean = d.reduce((sum, v) => sum + v, 0) / d.length;
      const deviation = Math.sqrt(d.reduce((sum, v) => sum + (v - mean) ** 2, 0) / d.length);
      // Five standard errors, with a fixed seed.
      expect(Math.abs(mean - value)).toBeLessThan((5 * deviation) / Math.sqrt(d.length) + 1e-9);
    }
  });

  it("counts zeros in live blocks only, and no padding", () => {
    const x = new Float32Array(19);
    x.set([0, 1, 0, -0], 8);
    x[18] = 1;
    expect(encoded(x, sqrtTables).counts).toMatchObject({ zeros: 7 + 2, nonFinite: 0, firstNonFinite: -1 });
    expect(encoded(x, sqrtTables, stochastic).counts.zeros).toBe(9);
  });

  it("tells of NaN and infinity, and leaves the residual alone unless it may saturate", () => {
    const n = 50_000;
    const x = wild(n, 2);
    const places = [17, 18, 8200, 49_999];
    places.forEach((at, i) => {
      x[at] = [Number.NaN, Infinity, -Infinity, Number.NaN][i] as number;
    });
    const residual = floatTensor(randomFloats(n, 9), [n]);
    const before = residual.data.slice();
    const refused = { nonFinite: 4, firstNonFinite: 17 };
    expect(encoded(x, sqrtTables).counts).toMatchObject(refused);
    expect(encoded(x, sqrtTables, { residual, residualOut: residual }).counts).toMatchObject(refused);
    expectSame(residual.data, before);

    const largest = Math.fround((sqrtTables.levels[15] as number) * (sqrtTables.maxima[255] as number));
    const v = x.map((value, i) => value + (before[i] as number));
    const replaced = v.map((value) =>
      Number.isFinite(value) ? value : Number.isNaN(value) ? 0 : Math.sign(value) * largest,
    );
    const { bytes, counts } = encoded(x, sqrtTables, { residual, residualOut: residual, saturate: true });
    expect(counts).toMatchObject(refused);
    expectSame(bytes, referenceEncode(replaced, sqrtTables));
    const kept = referenceDecode(bytes, n, sqrtTables);
    expectSame(
      residual.data,
      replaced.map((value, i) => value - (kept[i] as number)),
    );
  });

  it("decodes to within half a step of what it was given, whatever that is", () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e9), max: Math.fround(1e9) });
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 40 }), (values) => {
        const x = Float32Array.from(values);
        const { bytes } = encoded(x, sqrtTables);
        const back = decoded(bytes, x.length, sqrtTables);
        x.forEach((value, i) => {
          const q = bytes[Math.floor(i / 8) * 6] as number;
          const maximum = sqrtTables.maxima[q] as number;
          // The widest step ends at the top: 1 − (15.5/16)². Blocks below the range become zeros.
          expect(Math.abs((back[i] as number) - value)).toBeLessThanOrEqual(maximum * (q === 0 ? 1 : 0.0616));
        });
      }),
    );
  });

  it("says what was expected and what came", () => {
    const tables = nativeTables(sqrtTables);
    const message = (call: () => unknown) => {
      try {
        call();
      } catch (error) {
        if (isCaiError(error)) return `${error.code} ${error.message}`;
      }
      throw new Error("expected a CaiError");
    };
    const [x, out] = [zeros([9]), zeros([12], "uint8")];
    expect(message(() => squinchEncode(x, zeros([11], "uint8"), tables))).toBe(
      "E_SHAPE squinchEncode: out must have shape [12], got [11]",
    );
    expect(message(() => squinchDecode(zeros([6], "uint8"), x, tables))).toBe(
      "E_SHAPE squinchDecode: bytes must have shape [12], got [6]",
    );
    expect(message(() => squinchEncode(zeros([9], "int8") as never, out, tables))).toBe(
      'E_DTYPE squinchEncode: x must be a float32 tensor, got dtype the string "int8"',
    );
    expect(message(() => squinchEncode(x, out, { ...tables, levels: zeros([16]) }))).toContain(
      "E_ARGUMENT squinchEncode: tables must hold growing maxima",
    );
    expect(message(() => squinchEncode(x, out, tables, { stochastic: true }))).toContain("seed must be");
    expect(message(() => squinchEncode(x, out, tables, { residual: zeros([8]) }))).toBe(
      "E_SHAPE squinchEncode: residual must have shape [9], got [8]",
    );
    expect(message(() => squinchDecode(out, x, tables, { scale: Number.NaN }))).toBe(
      "E_ARGUMENT squinchDecode: scale must be a finite number, got the number NaN",
    );
  });
});
