import { expectAllClose, finiteDifference, randomFloats, randomInts } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FloatTensor, floatTensor, intTensor, rotary, zeros } from "../js/index.js";
import { withThreads } from "./with-threads.js";

type Shape = readonly [batch: number, sequence: number, heads: number, size: number];

/** Angles as Llama has them: position · theta^(−2i / D). */
function tableOf(positions: number, size: number): FloatTensor {
  const half = size / 2;
  const data = new Float32Array(positions * size);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = p * 10_000 ** (-i / half);
      data.set([Math.cos(angle), Math.sin(angle)], (p * half + i) * 2);
    }
  }
  return floatTensor(data, [positions, half, 2]);
}

/** In doubles, straight from the definition. */
function reference(x: ArrayLike<number>, [, , heads, size]: Shape, table: FloatTensor, at: (token: number) => number) {
  const half = size / 2;
  return Float64Array.from({ length: x.length }, (_, index) => {
    const i = index % size;
    const token = Math.floor(index / (heads * size));
    const entry = (at(token) * half + (i % half)) * 2;
    const [cosine, sine] = [table.data[entry] as number, table.data[entry + 1] as number];
    const value = x[index] as number;
    return i < half
      ? value * cosine - (x[index + half] as number) * sine
      : value * cosine + (x[index - half] as number) * sine;
  });
}

const volume = ([b, t, h, d]: Shape) => b * t * h * d;

function rotate(
  x: Float32Array,
  shape: Shape,
  table: FloatTensor,
  options: { inverse?: boolean; offset?: number } = {},
) {
  const out = zeros(shape);
  rotary(floatTensor(x, shape), table, null, out, options);
  return out.data;
}

// Two products and a sum of values of size 1: two or three roundings of 6e-8.
const close = { rtol: 3e-7, atol: 3e-7 };

describe("rotary", () => {
  for (const shape of [
    [1, 1, 1, 2],
    [2, 5, 3, 6],
    [1, 7, 2, 16],
    [2, 9, 4, 38],
    [3, 40, 4, 64],
    [0, 3, 2, 4],
    [2, 3, 0, 8],
  ] as Shape[]) {
    it(`agrees with the definition on [${shape}]`, () => {
      const [batch, sequence, , size] = shape;
      const x = randomFloats(volume(shape), 1);
      const table = tableOf(sequence + 5, size);
      expectAllClose(
        rotate(x, shape, table),
        reference(x, shape, table, (token) => token % sequence),
        close,
      );
      const late = reference(x, shape, table, (token) => 5 + (token % sequence));
      expectAllClose(rotate(x, shape, table, { offset: 5 }), late, close);

      const positions = randomInts(batch * sequence, sequence + 5, 2);
      const out = zeros(shape);
      rotary(floatTensor(x, shape), table, intTensor(positions, [batch, sequence]), out);
      expectAllClose(
        out.data,
        reference(x, shape, table, (token) => positions[token] as number),
        close,
      );
    });
  }

  it("does not add the offset to given positions", () => {
    const shape: Shape = [1, 2, 1, 4];
    const x = floatTensor(randomFloats(8, 3), shape);
    const [plain, shifted] = [zeros(shape), zeros(shape)];
    const positions = intTensor(Int32Array.of(3, 1), [1, 2]);
    rotary(x, tableOf(4, 4), positions, plain);
    rotary(x, tableOf(4, 4), positions, shifted, { offset: 2 });
    expect(shifted.data).toEqual(plain.data);
  });

  it("is undone by its inverse and keeps every pair's length", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 40 }),
        (heads, sequence, half) => {
          const shape: Shape = [2, sequence, heads, 2 * half];
          const x = randomFloats(volume(shape), 4);
          const table = tableOf(sequence, 2 * half);
          const turned = rotate(x, shape, table);
          expectAllClose(rotate(turned, shape, table, { inverse: true }), x, { rtol: 1e-6, atol: 1e-6 });
          const length = (v: Float32Array) => v.reduce((sum, value) => sum + value * value, 0);
          expectAllClose([length(turned)], [length(x)], { rtol: 1e-6 });
        },
      ),
      { numRuns: 40 },
    );
  });

  it("has its inverse as its gradient, equal to finite differences", () => {
    const shape: Shape = [1, 3, 2, 6];
    const x = randomFloats(volume(shape), 5);
    const dout = randomFloats(volume(shape), 6);
    const table = tableOf(3, 6);
    const loss = (input: ArrayLike<number>) =>
      reference(input, shape, table, (token) => token % 3).reduce(
        (sum, value, i) => sum + value * (dout[i] as number),
        0,
      );
    // The loss is linear: only the difference's own rounding is left.
    expectAllClose(rotate(dout, shape, table, { inverse: true }), finiteDifference(loss, x), {
      rtol: 1e-6,
      atol: 1e-6,
    });
  });

  it("takes heads inside a wider array and may write over them, without touching the gaps", () => {
    const shape: Shape = [2, 3, 2, 10];
    const strides = [3 * 50, 50, 11, 1];
    const x = randomFloats(volume(shape), 7);
    const spread = (data: Float32Array) => {
      const wide = new Float32Array(2 * 3 * 50).fill(Number.NaN);
      data.forEach((value, i) => {
        const [d, h, token] = [i % 10, Math.floor(i / 10) % 2, Math.floor(i / 20)];
        wide[token * 50 + h * 11 + d] = value;
      });
      return wide;
    };
    const table = tableOf(3, 10);
    const expected = rotate(x, shape, table);
    const inPlace = floatTensor(spread(x), shape, strides);
    rotary(inPlace, table, null, inPlace);
    expect(inPlace.data).toEqual(spread(expected));
    const dense = zeros(shape);
    rotary(floatTensor(spread(x), shape, strides), table, null, dense);
    expect(dense.data).toEqual(expected);
  });

  it("carries NaN and infinity through their own pair only", () => {
    const x = Float32Array.of(Number.NaN, 1, 2, 3, 4, Infinity, 5, 6);
    const out = rotate(x, [1, 2, 1, 4], tableOf(2, 4));
    expect([...out].map((value) => Number.isFinite(value))).toEqual([
      false,
      true,
      false,
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  it("gives the same bits for any number of threads", () => {
    const shape: Shape = [3, 70, 3, 34];
    const x = randomFloats(volume(shape), 8);
    const call = () => rotate(x, shape, tableOf(70, 34));
    const first = withThreads(1, call);
    for (const threads of [2, 3]) expect(withThreads(threads, call)).toEqual(first);
  });

  it("says what was expected and what came when an argument is wrong", () => {
    const x = zeros([2, 3, 1, 4]);
    const positions = intTensor(Int32Array.of(0, 1, 2, 3, 4, 0), [2, 3]);
    expect(() => rotary(x, tableOf(4, 4), positions, x)).toThrow(
      "rotary: positions[1, 1] must be from 0 to 3, the table's last row, got 4",
    );
    expect(() => rotary(x, tableOf(4, 4), null, x, { offset: 2 })).toThrow(
      "rotary: offset 2 and 3 positions need a table of 5 rows, got 4",
    );
    expect(() => rotary(x, tableOf(4, 6), null, x)).toThrow("rotary: table must have shape [any, 2, 2], got [4, 3, 2]");
    const odd = zeros([1, 1, 1, 3]);
    expect(() => rotary(odd, tableOf(4, 4), null, odd)).toThrow(
      "rotary: x must have an even last size, got shape [1, 1, 1, 3]",
    );
  });
});
