import { describe, expect, it } from "vitest";
import {
  bf16Round,
  bf16ToFloat32,
  float32ToBf16,
  floatTensor,
  setThreads,
  tensorOver,
  threads,
  zeros,
} from "../js/index.js";

const floatOf = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
const tensorOf = (...bits: number[]) => floatTensor(new Float32Array(Uint32Array.from(bits).buffer), [bits.length]);
const bitsOf = (data: Float32Array) => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];

/** The nearest bfloat16 by comparing distances in doubles, ties to the even pattern. */
function reference(bits: number): number {
  const value = floatOf(bits);
  if (Number.isNaN(value)) return ((bits | 0x00400000) >>> 16) >>> 0;
  const below = bits >>> 16;
  const above = below + 1;
  // The value above the largest finite bfloat16 counts as 2^128 for rounding, and is infinity.
  const size = (pattern: number) => (pattern === 0x7f80 ? 2 ** 128 : Math.abs(floatOf((pattern << 16) >>> 0)));
  const magnitude = (pattern: number) => size(pattern & 0x7fff);
  if (!Number.isFinite(value)) return below;
  const down = Math.abs(value) - magnitude(below);
  const up = magnitude(above) - Math.abs(value);
  if (down !== up) return down < up ? below : above;
  return below % 2 === 0 ? below : above;
}

function narrow(bits: number[]): number[] {
  const out = zeros([bits.length], "bfloat16");
  float32ToBf16(tensorOf(...bits), out);
  return [...out.data];
}

/** Patterns around every kind of boundary: below, at and above a tie, for each exponent, odd and even, both signs. */
function interestingBits(): number[] {
  const list: number[] = [];
  for (let exponent = 0; exponent < 256; exponent++) {
    for (const mantissa of [
      0, 1, 0x7fff, 0x8000, 0x8001, 0x10000, 0x17fff, 0x18000, 0x18001, 0x7f7fff, 0x7f8000, 0x7fffff,
    ]) {
      for (const sign of [0, 1]) list.push(((sign << 31) | (exponent << 23) | mantissa) >>> 0);
    }
  }
  return list;
}

describe("bfloat16", () => {
  it("rounds to nearest, ties to even, for every exponent, subnormals, infinities and NaN included", () => {
    const bits = interestingBits();
    expect(narrow(bits)).toEqual(bits.map(reference));
  });

  it("gives the same values as float32", () => {
    const bits = interestingBits();
    const out = zeros([bits.length]);
    bf16Round(tensorOf(...bits), out);
    expect(bitsOf(out.data)).toEqual(bits.map((pattern) => (reference(pattern) << 16) >>> 0));
  });

  it("keeps the sign and payload of a NaN and makes it quiet", () => {
    expect(narrow([0x7f800001, 0xff800001, 0x7fa00000, 0x7fffffff])).toEqual([0x7fc0, 0xffc0, 0x7fe0, 0x7fff]);
  });

  it("rounds to infinity from half a unit above the largest value, not below", () => {
    expect(narrow([0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, 0xff7f8000])).toEqual([0x7f7f, 0x7f80, 0x7f80, 0xff80]);
  });

  it("widens every bfloat16 exactly, and narrowing takes it back", () => {
    const all = tensorOver(
      "bfloat16",
      Uint16Array.from({ length: 65536 }, (_, i) => i),
      [65536],
    );
    const wide = zeros([65536]);
    bf16ToFloat32(all, wide);
    expect(bitsOf(wide.data)).toEqual([...all.data].map((pattern) => (pattern << 16) >>> 0));
    const back = zeros([65536], "bfloat16");
    float32ToBf16(wide, back);
    const isNaNPattern = (pattern: number) => (pattern & 0x7fff) > 0x7f80;
    expect(back.data).toEqual(all.data.map((pattern) => (isNaNPattern(pattern) ? pattern | 0x40 : pattern)));
  });

  for (const n of [0, 1, 15, 33, 70_001]) {
    it(`widens ${n} patterns with a factor and onto what is there, each operation rounded`, () => {
      const patterns = Uint16Array.from({ length: n }, (_, i) => (i * 40_503) & 0xffff);
      const x = tensorOver("bfloat16", patterns, [n]);
      const scale = Math.fround(0.3);
      for (const options of [{ scale }, { accumulate: true }, { scale, accumulate: true }]) {
        const out = floatTensor(
          Float32Array.from({ length: n }, (_, i) => Math.sin(i)),
          [n],
        );
        const expected = out.data.map((there, i) => {
          const value = floatOf((patterns[i] as number) << 16);
          const scaled = options.scale === undefined ? value : Math.fround(value * scale);
          return options.accumulate ? there + scaled : scaled;
        });
        bf16ToFloat32(x, out, options);
        expect(out.data).toEqual(expected);
      }
    });
  }

  for (const n of [0, 1, 5, 16, 31, 70_001]) {
    it(`works in place and at an offset, ${n} elements, with the same bits for any number of threads`, () => {
      const bits = interestingBits();
      const source = Uint32Array.from({ length: n + 3 }, (_, i) => bits[(i * 7) % bits.length] as number);
      const expected = Array.from(source.subarray(3), (pattern) => (reference(pattern) << 16) >>> 0);
      const before = threads();
      try {
        for (const count of [1, 3]) {
          setThreads(count);
          const x = floatTensor(new Float32Array(source.slice().buffer, 12, n), [n]);
          bf16Round(x, x);
          expect(bitsOf(x.data)).toEqual(expected);
        }
      } finally {
        setThreads(before);
      }
    });
  }

  it("says what was expected and what came", () => {
    expect(() => float32ToBf16(zeros([2, 3]), zeros([6], "bfloat16"))).toThrow(
      "float32ToBf16: out must have shape [2, 3], got [6]",
    );
    const wrong = { ...zeros([2]), dtype: "bfloat16" as const, data: new Uint16Array(2) };
    // @ts-expect-error a bfloat16 tensor where float32 is wanted
    expect(() => bf16Round(wrong, zeros([2]))).toThrow('x must be a float32 tensor, got dtype the string "bfloat16"');
  });
});
