import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextCorpus } from "../../src/data/corpus-mix.js";
import { permuted } from "../../src/data/permutation.js";

describe("permuted", () => {
  it("is a permutation for any size, key and nonce", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), word, word, fc.nat(9), fc.nat(9), (size, k0, k1, n0, n1) => {
        const places = Array.from({ length: size }, (_, i) => permuted(i, size, [k0, k1], [n0, n1]));
        expect(new Set(places).size).toBe(size);
        expect(Math.min(...places)).toBe(0);
        expect(Math.max(...places)).toBe(size - 1);
      }),
      { numRuns: 40 },
    );
  });

  it("stays within sizes beyond 32 bits", () => {
    const size = 2 ** 45 + 12345;
    const places = Array.from({ length: 50 }, (_, i) => permuted(i, size, [1, 2], [3, 4]));
    expect(new Set(places).size).toBe(50);
    for (const place of places) expect(Number.isSafeInteger(place) && place >= 0 && place < size).toBe(true);
    expect(Math.max(...places)).toBeGreaterThan(2 ** 42);
  });

  it("shuffles well: places look independent of indices and of neighbours", () => {
    const size = 5000;
    const places = Array.from({ length: size }, (_, i) => permuted(i, size, [7, 7], [0, 0]));
    const correlation = (lag: number) => {
      let sum = 0;
      for (let i = 0; i + lag < size; i++) {
        const other = lag === 0 ? i : (places[i + lag] as number);
        sum += ((places[i] as number) - size / 2) * (other - size / 2);
      }
      return (sum / ((size - lag) * (size * size))) * 12;
    };
    // A random permutation's has a standard deviation of 1/sqrt(5000) = 0.014; four of them.
    for (const lag of [0, 1, 2, 8]) expect(Math.abs(correlation(lag))).toBeLessThan(0.057);
    const fixed = places.filter((place, i) => place === i).length;
    // One fixed point is expected, and 8 or more come once in 10^5 permutations.
    expect(fixed).toBeLessThan(8);
  });

  it("differs with the epoch", () => {
    const epoch = (number: number) => Array.from({ length: 100 }, (_, i) => permuted(i, 100, [1, 2], [0, number]));
    expect(epoch(0)).not.toEqual(epoch(1));
  });
});

describe("nextCorpus", () => {
  it("keeps every corpus within one draw of its share at every point", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-3, max: 1, noNaN: true }), { minLength: 1, maxLength: 7 }),
        (weights) => {
          const sum = weights.reduce((total, weight) => total + weight, 0);
          const shares = weights.map((weight) => weight / sum);
          const drawn = shares.map(() => 0);
          // Tijdeman's bound, and the rounding of a share times a few hundred.
          const bound = 1 - 1 / Math.max(1, 2 * shares.length - 2) + 1e-9;
          for (let draws = 1; draws <= 400; draws++) {
            const corpus = nextCorpus(shares, drawn);
            drawn[corpus] = (drawn[corpus] as number) + 1;
            const distance = shares.map((share, i) => Math.abs(share * draws - (drawn[i] as number)));
            if (Math.max(...distance) > bound) throw new Error(`after ${draws} draws of ${shares}: ${drawn}`);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("stays within it after very many draws", () => {
    const shares = [0.1, 0.2, 0.7];
    const drawn = [100_000_000, 200_000_000, 700_000_000];
    const order = Array.from({ length: 10 }, () => {
      const corpus = nextCorpus(shares, drawn);
      drawn[corpus] = (drawn[corpus] as number) + 1;
      return corpus;
    });
    expect(order.filter((corpus) => corpus === 2)).toHaveLength(7);
  });
});
