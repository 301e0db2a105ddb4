import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareDecoded, decode, encode, isCaiError, measureQuality } from "../src/index.js";

const thrownBy = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

/** 10 · log10(signal / noise) and the rest, written once more in the plainest way. */
function plainly(x: Float32Array, decoded: Float32Array, unit?: Float32Array) {
  const sum = (term: (value: number, read: number, u: number) => number) =>
    x.reduce((total, value, i) => total + term(value, decoded[i] as number, unit?.[i] ?? 1), 0);
  return {
    snrDb: 10 * Math.log10(sum((v) => v * v) / sum((v, r) => (r - v) ** 2)),
    adamSnrDb: 10 * Math.log10(sum((v, _, u) => (v / u) ** 2) / sum((v, r, u) => ((r - v) / u) ** 2)),
    gain: sum((v, r) => v * r) / sum((v) => v * v),
  };
}

describe("compareDecoded", () => {
  it("gives known answers: an error of a tenth is 20 dB, and its sign the gain", () => {
    const x = Float32Array.of(1, -1, 1, -1, 1, -1, 1, -1);
    const quality = compareDecoded(
      x,
      x.map((value) => 0.875 * value),
    );
    expect(quality.snrDb).toBeCloseTo(10 * Math.log10(64), 12);
    expect(quality).toMatchObject({ adamSnrDb: null, gain: 0.875, zeroShare: 0, deadShare: 0, values: 8 });
  });

  it("weighs each value by its own unit", () => {
    const x = Float32Array.of(4, 1);
    const decoded = Float32Array.of(4, 1.5);
    const unit = Float32Array.of(4, 0.5);
    // (4/4)² + (1/0.5)² = 5 over (0.5/0.5)² = 1.
    expect(compareDecoded(x, decoded, { unit }).adamSnrDb).toBeCloseTo(10 * Math.log10(5), 12);
    expect(compareDecoded(x, decoded, { unit }).snrDb).toBeCloseTo(10 * Math.log10(17 / 0.25), 12);
  });

  it("takes √v + eps of Adam's second moments for the unit", () => {
    const x = Float32Array.of(4, 1);
    const decoded = Float32Array.of(5, 1.5);
    const bySecondMoments = compareDecoded(x, decoded, { secondMoments: Float32Array.of(9, 0), eps: 1 });
    const byUnit = compareDecoded(x, decoded, { unit: Float32Array.of(4, 1) });
    expect(bySecondMoments).toEqual(byUnit);
  });

  it("leaves values without a usable unit out of Adam's measure only", () => {
    const x = Float32Array.of(1, 2, 3, 4, 5);
    const decoded = Float32Array.of(1.5, 0, 0, 0, 0);
    const unit = Float32Array.of(1, 0, Number.NaN, Number.POSITIVE_INFINITY, -1);
    const { adamSnrDb, values } = compareDecoded(x, decoded, { unit });
    expect(adamSnrDb).toBeCloseTo(10 * Math.log10(4), 12);
    expect(values).toBe(5);
  });

  it("counts zeros in live blocks and blocks that are dead", () => {
    const x = new Float32Array(27);
    x.set([1, 0, 0, 2], 0);
    x.set([1e-12, 0], 16);
    x[24] = 1;
    const decoded = x.slice();
    decoded[16] = 0;
    const { zeroShare, deadShare } = compareDecoded(x, decoded);
    // Live are the first block (8 values, 6 zeros) and the last (3 values, 2 zeros).
    expect(zeroShare).toBeCloseTo(8 / 11, 12);
    expect(deadShare).toBe(0.5);
  });

  it("has no error to speak of in an exact copy, and no gain without a signal", () => {
    const zeros = new Float32Array(16);
    expect(compareDecoded(zeros, zeros)).toMatchObject({ snrDb: Number.POSITIVE_INFINITY, gain: 1, deadShare: 1 });
    expect(
      compareDecoded(
        zeros,
        zeros.map(() => 1),
      ).snrDb,
    ).toBe(Number.NEGATIVE_INFINITY);
    expect(compareDecoded(new Float32Array(0), new Float32Array(0))).toMatchObject({
      values: 0,
      gain: 1,
      deadShare: 0,
    });
  });
});

describe("measureQuality", () => {
  it("is what encode and decode do, for every length", () => {
    for (const codebook of ["sqrt", "adam", "lloyd"] as const) {
      for (const length of [1, 7, 8, 9, 2047, 2048, 2049, 5003]) {
        const x = randomFloats(length, length);
        const unit = randomFloats(length, length + 1).map((value) => Math.exp(value));
        const expected = plainly(x, decode(encode(x, { codebook }), length, { codebook }), unit);
        const { snrDb, adamSnrDb, gain } = measureQuality(x, { codebook, unit });
        // Both add in double precision, in another order.
        expect(snrDb).toBeCloseTo(expected.snrDb, 9);
        expect(adamSnrDb).toBeCloseTo(expected.adamSnrDb, 9);
        expect(gain).toBeCloseTo(expected.gain, 12);
      }
    }
  });

  it("shows what is known of normal values: 26.5 dB, and less of a loss for adam as units spread", () => {
    const n = 65_536;
    const normal = randomFloats(n, 3);
    // The spread of 65,536 values is below 0.1 dB.
    expect(measureQuality(normal).snrDb).toBeCloseTo(26.5, 0);
    const unit = randomFloats(n, 4).map((value) => Math.exp(2 * value));
    const spread = normal.map((value, i) => value * (unit[i] as number));
    const [bySqrt, byAdam] = (["sqrt", "adam"] as const).map((codebook) => measureQuality(spread, { codebook, unit }));
    expect(byAdam?.adamSnrDb).toBeGreaterThan((bySqrt?.adamSnrDb as number) + 20);
  });

  it("does not mind the scale of the units, nor a power of e^(1/6) of the values beyond rounding", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: -20, max: 20 }), (seed, exponent) => {
        const x = randomFloats(64, seed);
        const unit = randomFloats(64, seed + 1).map((value) => Math.exp(value));
        const scaled = unit.map((value) => value * 2 ** exponent);
        const first = measureQuality(x, { unit });
        expect(measureQuality(x, { unit: scaled })).toEqual(first);
        const louder = measureQuality(
          x.map((value) => value * Math.exp(exponent / 6)),
          { unit },
        );
        // Rounding may carry a value over a threshold: one of 64, by one step.
        expect(Math.abs(louder.snrDb - first.snrDb)).toBeLessThan(0.5);
      }),
      { numRuns: 50 },
    );
  });

  it("samples blocks that stand for the whole, whatever period the columns have", () => {
    const n = 8 * 32 * 256;
    // The first eighth of each row of 256 is loud and holds zeros.
    const x = randomFloats(n, 5).map((value, i) => (i % 256 < 32 ? (i % 2 ? 100 * value : 0) : value));
    const all = measureQuality(x);
    const some = measureQuality(x, { sampleBlocks: 512 });
    expect(some.values).toBe(512 * 8);
    expect(some.zeroShare).toBeCloseTo(all.zeroShare, 1);
    expect(some.zeroShare).toBeGreaterThan(0.03);
    expect(Math.abs(some.snrDb - all.snrDb)).toBeLessThan(1);
    expect(measureQuality(x, { sampleBlocks: 512 })).toEqual(some);
  });

  it("takes each block at most once: as many as there are give the same as all", () => {
    const x = randomFloats(1003, 6);
    expect(measureQuality(x, { sampleBlocks: 126 })).toEqual(measureQuality(x));
    expect(measureQuality(x, { sampleBlocks: 1e6 })).toEqual(measureQuality(x));
    // Units that single out one block: it is met in one way of sampling, never twice.
    expect(measureQuality(x, { sampleBlocks: 125 }).values).toBeLessThan(1001);
  });

  it("refuses values that are not finite and misshapen options", () => {
    const x = randomFloats(4000, 7);
    const broken = x.slice();
    broken[3333] = Number.NaN;
    const cases: [() => unknown, string, RegExp][] = [
      [() => measureQuality(broken), "E_ARGUMENT", /NaN at index 3333/],
      [() => measureQuality([1] as never), "E_ARGUMENT", /x must be a Float32Array/],
      [() => measureQuality(x, { unit: new Float32Array(3) }), "E_SHAPE", /unit must have 4000/],
      [() => measureQuality(x, { unit: x, secondMoments: x }), "E_ARGUMENT", /got both/],
      [() => measureQuality(x, { secondMoments: x, eps: 0 }), "E_ARGUMENT", /eps must be above 0/],
      [() => measureQuality(x, { sampleBlocks: 0 }), "E_ARGUMENT", /sampleBlocks must be/],
      [() => measureQuality(x, { codebook: "cube" as never }), "E_ARGUMENT", /codebook must be/],
      [() => compareDecoded(x, new Float32Array(3)), "E_SHAPE", /decoded must have 4000/],
    ];
    for (const [act, code, message] of cases) {
      const error = thrownBy(act);
      expect(isCaiError(error) && error.code).toBe(code);
      expect((error as Error).message).toMatch(message);
    }
  });
});
