import { expectAllClose } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { floatTensor, Philox, randomNormal, randomUniform, setThreads, threads, zeros } from "../js/index.js";

type Fill = typeof randomNormal | typeof randomUniform;

function fill(op: Fill, n: number, options: Parameters<typeof randomNormal>[1] & Parameters<typeof randomUniform>[1]) {
  const out = zeros([n]);
  op(out, options);
  return out.data;
}

const { fround } = Math;
const floatBelow = (x: number) => {
  const bits = new Int32Array(Float32Array.of(x).buffer);
  bits[0] = (bits[0] as number) + (x > 0 ? -1 : 1);
  return new Float32Array(bits.buffer)[0] as number;
};

for (const op of [randomUniform, randomNormal]) {
  describe(op.name, () => {
    it("fills any part of a stream with what the whole has there", () => {
      const whole = fill(op, 3000, { seed: 1, stream: 2, offset: 5 });
      const range = fc.tuple(fc.nat(2999), fc.nat(300));
      fc.assert(
        fc.property(range, ([begin, length]) => {
          const n = Math.min(length, 3000 - begin);
          const part = fill(op, n, { seed: 1n, stream: 2n, offset: 5 + begin });
          expect(part).toEqual(whole.slice(begin, begin + n));
        }),
        { numRuns: 300 },
      );
    });

    it("continues across 2^32 blocks", () => {
      const offset = 2 ** 34 - 21;
      const whole = fill(op, 64, { seed: 9, stream: 0, offset });
      expect(fill(op, 40, { seed: 9, stream: 0, offset: offset + 24 })).toEqual(whole.slice(24));
      expect(new Set(whole).size).toBeGreaterThan(60);
    });

    it("gives the same bits for any number of threads", () => {
      const before = threads();
      try {
        const fills = [1, 2, 3, 8].map((count) => {
          setThreads(count);
          return fill(op, 100_003, { seed: 3, stream: 4, offset: 2 });
        });
        for (const other of fills) expect(other).toEqual(fills[0]);
      } finally {
        setThreads(before);
      }
    });

    it("has other values for another seed, another stream, and their high words", () => {
      const base = fill(op, 8, { seed: 1, stream: 1 });
      for (const other of [
        { seed: 2, stream: 1 },
        { seed: 1, stream: 2 },
        { seed: 1n + 2n ** 32n, stream: 1 },
        { seed: 1, stream: 1n + 2n ** 32n },
      ]) {
        expect(fill(op, 8, other).filter((value, i) => value === base[i])).toHaveLength(0);
      }
    });

    it("writes any shape at an offset, and nothing beside it", () => {
      const data = new Float32Array(40).fill(-9);
      op(floatTensor(data.subarray(5, 35), [5, 6]), { seed: 1, stream: 0 });
      expect(data.slice(5, 35)).toEqual(fill(op, 30, { seed: 1, stream: 0 }));
      expect([...data.slice(0, 5), ...data.slice(35)]).toEqual(Array(10).fill(-9));
      op(zeros([0]), { seed: 1, stream: 0 });
    });

    it("says what was expected and what came", () => {
      const out = zeros([2]);
      expect(() => op(out, { seed: -1, stream: 0 })).toThrow(
        `${op.name}: seed must be an integer from 0 to 9007199254740991, got the number -1`,
      );
      expect(() => op(out, { seed: 2n ** 64n, stream: 0 })).toThrow("seed must be from 0 to 2^64 - 1");
      expect(() => op(out, { seed: 1, stream: 0, offset: 0.5 })).toThrow("offset must be an integer from 0");
      expect(() =>
        op({ ...out, shape: [1, 2], strides: [1, 1], data: new Float32Array(0) }, { seed: 1, stream: 0 }),
      ).toThrow(`${op.name}: out of shape [1, 2] needs 2 elements, its array has 0`);
    });
  });
}

describe("randomUniform", () => {
  it("is the stated function of the words, bit for bit", () => {
    const [low, high] = [fround(-0.3), fround(2.7)];
    const generator = new Philox(11n, 12n);
    const expected = Float32Array.from({ length: 1000 }, () =>
      Math.min(fround(low + fround(generator.uniform() * fround(high - low))), floatBelow(high)),
    );
    expect(fill(randomUniform, 1000, { seed: 11, stream: 12, low, high })).toEqual(expected);
  });

  it("never gives high, even where every sum rounds up to it", () => {
    // Between 2^24 and 2^24 + 2 there is no other float32: half of all sums round up.
    const low = 2 ** 24;
    const values = fill(randomUniform, 1000, { seed: 1, stream: 1, low, high: low + 2 });
    expect(new Set(values)).toEqual(new Set([low]));
    const wide = fill(randomUniform, 10_000, { seed: 1, stream: 1, low: -3, high: -1 });
    expect(wide.every((value) => value >= -3 && value < -1)).toBe(true);
  });

  it("is uniform: every sixteenth is as frequent, and neighbours are independent", () => {
    const n = 1 << 18;
    const values = fill(randomUniform, n, { seed: 5, stream: 6 });
    const cells = new Float64Array(256);
    for (let i = 0; i < n; i += 2) {
      const cell = Math.floor((values[i] as number) * 16) * 16 + Math.floor((values[i + 1] as number) * 16);
      cells[cell] = (cells[cell] as number) + 1;
    }
    const mean = n / 2 / 256;
    const chiSquare = cells.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    // 255 degrees of freedom: mean 255, standard deviation 22.6; five of them either way.
    expect(Math.abs(chiSquare - 255)).toBeLessThan(113);
  });

  it("refuses an empty or infinite range", () => {
    for (const [low, high] of [
      [1, 1],
      [2, 1],
      [1, 1 + 2 ** -30],
      [-3e38, 3e38],
    ] as const) {
      expect(() => fill(randomUniform, 1, { seed: 1, stream: 0, low, high })).toThrow("low must be below high");
    }
    expect(() => fill(randomUniform, 1, { seed: 1, stream: 0, high: 1e39 })).toThrow("high must be a finite float32");
  });
});

describe("randomNormal", () => {
  it("is the method of Box and Muller on the words", () => {
    const generator = new Philox(21n, 22n);
    const n = 40_000;
    const expected = new Float64Array(n);
    for (let i = 0; i < n; i += 2) {
      const u = ((generator.uint32() >>> 8) + 1) / 2 ** 24;
      const t = (generator.uint32() >>> 8) / 2 ** 24;
      const radius = Math.sqrt(-2 * Math.log(u));
      expected[i] = radius * Math.cos(2 * Math.PI * t);
      expected[i + 1] = radius * Math.sin(2 * Math.PI * t);
    }
    // Sine and cosine err by up to 2 units of 2^-24 absolutely, times a radius of up to 5.8; the radius by 2 units.
    expectAllClose(fill(randomNormal, n, { seed: 21, stream: 22 }), expected, { rtol: 3e-7, atol: 8e-7 });
  });

  it("scales and shifts with one rounding each", () => {
    const z = fill(randomNormal, 1001, { seed: 1, stream: 2 });
    const [mean, std] = [fround(0.7), fround(0.02)];
    const expected = z.map((value) => fround(mean + fround(std * value)));
    expect(fill(randomNormal, 1001, { seed: 1, stream: 2, mean, std })).toEqual(expected);
    expect(fill(randomNormal, 5, { seed: 1, stream: 2, mean, std: 0 })).toEqual(new Float32Array(5).fill(mean));
  });

  it("has the moments and tails of a normal distribution, and independent halves of each pair", () => {
    const n = 1 << 20;
    const z = fill(randomNormal, n, { seed: 7, stream: 0 });
    const moment = (f: (value: number, i: number) => number) => z.reduce((sum, value, i) => sum + f(value, i), 0) / n;
    // Five standard errors: sqrt(variance of the moment / n).
    const error = (variance: number) => 5 * Math.sqrt(variance / n);
    expect(Math.abs(moment((v) => v))).toBeLessThan(error(1));
    expect(Math.abs(moment((v) => v * v) - 1)).toBeLessThan(error(2));
    expect(Math.abs(moment((v) => v ** 3))).toBeLessThan(error(15));
    expect(Math.abs(moment((v) => v ** 4) - 3)).toBeLessThan(error(96));
    const beyond3 = 0.0026998;
    expect(Math.abs(moment((v) => (Math.abs(v) > 3 ? 1 : 0)) - beyond3)).toBeLessThan(error(beyond3));
    expect(Math.abs(moment((v, i) => v * (z[i ^ 1] as number)))).toBeLessThan(error(1));
  });

  it("refuses a negative std", () => {
    expect(() => fill(randomNormal, 1, { seed: 1, stream: 0, std: -1 })).toThrow("std must not be negative");
  });
});
