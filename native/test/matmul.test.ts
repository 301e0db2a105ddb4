import { expectAllClose, finiteDifference, randomFloats, stridedRows } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { biasBackward, floatTensor, type MatmulOptions, matmul, setThreads, threads, zeros } from "../js/index.js";
import { activate, matmulReference, type ReferenceOptions } from "./matmul-reference.js";

const started = threads();
beforeAll(() => setThreads(2));
afterAll(() => setThreads(started));

interface Sizes {
  m: number;
  n: number;
  k: number;
}

interface Flags {
  transposeA?: boolean;
  transposeB?: boolean;
}

function operands({ m, n, k }: Sizes, { transposeA, transposeB }: Flags = {}) {
  const a = floatTensor(randomFloats(m * k, 1), transposeA ? [k, m] : [m, k]);
  const b = floatTensor(randomFloats(k * n, 2), transposeB ? [n, k] : [k, n]);
  return { a, b };
}

// Float32 products of normal values summed in order: the error of K roundings of 6e-8 grows as a random walk of sums near
// √K, so by about 6e-8 K at most; an activation multiplies it by its slope, below 2|x| for relu2.
const tolerance = (k: number) => ({ rtol: 1e-5, atol: 1e-6 + 1e-7 * k });

function check(sizes: Sizes, options: MatmulOptions & ReferenceOptions & Flags = {}) {
  const { m, n, k } = sizes;
  const { a, b } = operands(sizes, options);
  const out = floatTensor(randomFloats(m * n, 3), [m, n]);
  const expected = matmulReference(a.data, b.data, sizes, { ...options, out: out.data });
  matmul(a, b, out, options);
  expectAllClose(out.data, expected.out, tolerance(k));
  if (options.preActivation) expectAllClose(options.preActivation.data, expected.preActivation, tolerance(k));
}

const sameBits = (x: Float32Array, y: Float32Array) =>
  Buffer.compare(Buffer.from(x.buffer), Buffer.from(y.buffer)) === 0;

const layouts: Flags[] = [{}, { transposeB: true }, { transposeA: true }, { transposeA: true, transposeB: true }];
const name = ({ transposeA, transposeB }: Flags) => `${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`;

describe("matmul", () => {
  // One below, at and above the tiles of every instruction set, the block of K, and the share of a thread.
  const shapes: Sizes[] = [
    { m: 1, n: 1, k: 1 },
    { m: 2, n: 3, k: 5 },
    { m: 6, n: 16, k: 7 },
    { m: 7, n: 17, k: 16 },
    { m: 13, n: 31, k: 33 },
    { m: 14, n: 32, k: 64 },
    { m: 15, n: 33, k: 65 },
    { m: 29, n: 100, k: 383 },
    { m: 57, n: 65, k: 385 },
    { m: 130, n: 95, k: 129 },
    { m: 31, n: 48, k: 1001 },
    { m: 3, n: 700, k: 40 },
    { m: 300, n: 5, k: 60 },
    { m: 40, n: 2100, k: 20 },
    { m: 1, n: 513, k: 300 },
    { m: 5, n: 130, k: 260 },
    { m: 16, n: 67, k: 131 },
    { m: 17, n: 33, k: 3001 },
  ];
  for (const flags of layouts) {
    for (const sizes of shapes) {
      it(`agrees with the definition, ${name(flags)} [${sizes.m}, ${sizes.k}] · [${sizes.k}, ${sizes.n}]`, () => {
        check(sizes, flags);
      });
    }
  }

  for (const flags of layouts) {
    // Few rows, one pass over K, several passes, and K cut for the threads.
    for (const [m, n, k] of [
      [2, 70, 900],
      [45, 70, 40],
      [45, 70, 900],
      [17, 33, 3000],
    ] as const) {
      it(`applies every part of the epilogue together and alone, ${name(flags)} [${m}, ${k}] · [${k}, ${n}]`, () => {
        const sizes = { m, n, k };
        const bias = floatTensor(randomFloats(n, 4), [n]);
        const addend = floatTensor(randomFloats(m * n, 5), [m, n]);
        const scaled = { ...flags, alpha: 0.3 / Math.sqrt(k) };
        for (const activation of ["none", "relu2", "gelu"] as const) {
          check(sizes, { ...scaled, activation });
          check(sizes, { ...scaled, activation, bias, addend });
          check(sizes, { ...scaled, activation, bias, accumulate: true });
          check(sizes, { ...scaled, activation, accumulate: true, preActivation: zeros([m, n]) });
          check(sizes, { ...scaled, activation, bias, addend, preActivation: zeros([m, n]) });
        }
      });
    }
  }

  // A panel of packed operands is 256 deep at most, and one that is full borders on the next.
  for (const k of [255, 256, 257, 512, 768]) {
    for (const flags of layouts) {
      it(`keeps neighbouring full panels apart, ${name(flags)}, K = ${k}`, () => {
        for (const n of [8, 70]) check({ m: 40, n, k }, flags);
      });
    }
  }

  it("takes out itself as the addend", () => {
    const sizes = { m: 20, n: 40, k: 500 };
    const { a, b } = operands(sizes);
    const once = floatTensor(randomFloats(800, 6), [20, 40]);
    const twice = floatTensor(once.data.slice(), [20, 40]);
    matmul(a, b, once, { accumulate: true, activation: "gelu" });
    matmul(a, b, twice, { addend: twice, activation: "gelu" });
    expect(twice.data).toEqual(once.data);
  });

  it("gives the activation of the bias where K is 0, and leaves empty results alone", () => {
    check({ m: 3, n: 40, k: 0 }, { bias: floatTensor(randomFloats(40, 7), [40]), activation: "gelu" });
    check({ m: 3, n: 40, k: 0 }, { accumulate: true });
    check({ m: 20, n: 5, k: 0 }, { transposeA: true, transposeB: true });
    check({ m: 0, n: 4, k: 3 });
    check({ m: 4, n: 0, k: 3 }, { transposeB: true });
  });

  for (const flags of layouts) {
    for (const m of [4, 21]) {
      it(`reads and writes strided rows without touching the gaps, ${name(flags)}, M = ${m}`, () => {
        const sizes = { m, n: 45, k: 37 };
        const { a, b } = operands(sizes, flags);
        const dense = zeros([m, 45]);
        matmul(a, b, dense, flags);
        const spread = (tensor: typeof a, stride: number) => {
          const [rows, columns] = tensor.shape as [number, number];
          return floatTensor(stridedRows(tensor.data, rows, columns, stride, 3), [rows, columns], [stride, 1]);
        };
        const out = spread(zeros([m, 45]), 51);
        matmul(spread(a, 61), spread(b, 50), out, flags);
        expect(out.data).toEqual(spread(dense, 51).data);
      });
    }
  }

  for (const flags of layouts) {
    it(`multiplies batches, with b its own or shared, ${name(flags)}`, () => {
      const [batch, m, n, k] = [3, 9, 20, 11];
      const aData = randomFloats(batch * m * k, 8);
      const bData = randomFloats(batch * k * n, 9);
      const biasData = randomFloats(batch * n, 10);
      const aShape = flags.transposeA ? [k, m] : [m, k];
      const bShape = flags.transposeB ? [n, k] : [k, n];
      for (const shared of [false, true]) {
        const out = zeros([batch, m, n]);
        const b = shared ? floatTensor(bData, bShape) : floatTensor(bData, [batch, ...bShape]);
        const bias = shared ? floatTensor(biasData, [n]) : floatTensor(biasData, [batch, n]);
        matmul(floatTensor(aData, [batch, ...aShape]), b, out, { ...flags, bias, activation: "relu2" });
        for (let i = 0; i < batch; i++) {
          const one = zeros([m, n]);
          const from = shared ? 0 : i;
          matmul(
            floatTensor(aData.subarray(i * m * k), aShape),
            floatTensor(bData.subarray(from * k * n), bShape),
            one,
            { ...flags, bias: floatTensor(biasData.subarray(from * n), [n]), activation: "relu2" },
          );
          expectAllClose(out.data.subarray(i * m * n, (i + 1) * m * n), one.data, { rtol: 1e-5, atol: 1e-5 });
        }
      }
    });
  }

  it("carries NaN, infinity and 0 · infinity to the elements that depend on them, and to no others", () => {
    for (const flags of layouts) {
      for (const m of [3, 30]) {
        const sizes = { m, n: 40, k: 33 };
        const { a, b } = operands(sizes, flags);
        const at = (row: number, column: number) => (flags.transposeA ? column * m + row : row * 33 + column);
        a.data[at(1, 5)] = Number.NaN;
        a.data[at(2, 4)] = 0;
        b.data[flags.transposeB ? 7 * 33 + 4 : 4 * 40 + 7] = Infinity;
        const out = zeros([m, 40]);
        matmul(a, b, out, flags);
        out.data.forEach((value, i) => {
          const [row, column] = [Math.floor(i / 40), i % 40];
          if (row === 1 || (row === 2 && column === 7)) expect(value).toBeNaN();
          else expect(Number.isFinite(value)).toBe(column !== 7);
        });
      }
    }
  });

  it("gives the same bits every time for a given number of threads", () => {
    for (const sizes of [
      { m: 150, n: 170, k: 900 },
      { m: 2, n: 3000, k: 500 },
    ]) {
      for (const flags of layouts) {
        const { a, b } = operands(sizes, flags);
        const results = [0, 1, 2].map(() => {
          const out = zeros([sizes.m, sizes.n]);
          matmul(a, b, out, flags);
          return out.data;
        });
        expect(results.every((result) => sameBits(result, results[0] as Float32Array))).toBe(true);
      }
    }
  });

  it("is the gradient of itself: dx = dy · bᵀ and db = xᵀ · dy equal finite differences", () => {
    const sizes = { m: 4, n: 5, k: 6 };
    const { a, b } = operands(sizes);
    const dy = floatTensor(randomFloats(20, 11), [4, 5]);
    const loss = (x: ArrayLike<number>, w: ArrayLike<number>) =>
      matmulReference(x, w, sizes, {}).out.reduce((sum, value, i) => sum + value * (dy.data[i] as number), 0);
    const da = zeros([4, 6]);
    matmul(dy, b, da, { transposeB: true });
    const db = zeros([6, 5]);
    matmul(a, dy, db, { transposeA: true });
    expectAllClose(
      da.data,
      finiteDifference((p) => loss(p, b.data), a.data),
      { rtol: 1e-5, atol: 1e-5 },
    );
    expectAllClose(
      db.data,
      finiteDifference((p) => loss(a.data, p), b.data),
      { rtol: 1e-5, atol: 1e-5 },
    );
  });

  it("says what was expected and what came", () => {
    const a = zeros([2, 3]);
    const b = zeros([3, 4]);
    const out = zeros([2, 4]);
    expect(() => matmul(a, zeros([4, 4]), out)).toThrow("matmul: b must have shape [3, 4], got [4, 4]");
    expect(() => matmul(a, b, zeros([2, 5]))).toThrow("matmul: out must have shape [2, 4], got [2, 5]");
    expect(() => matmul(a, b, out, { transposeB: true })).toThrow("matmul: b must have shape [3, 3], got [3, 4]");
    expect(() => matmul(a, b, out, { bias: zeros([2]) })).toThrow("bias must have shape [4], got [2]");
    expect(() => matmul(a, b, out, { addend: zeros([2, 2]) })).toThrow("addend must have shape [2, 4], got [2, 2]");
    expect(() => matmul(a, zeros([1, 3, 4]), out)).toThrow("b must have 2 dimensions, got shape [1, 3, 4]");
    expect(() => matmul(zeros([3, 3]), zeros([3, 3]), out)).toThrow("out must have shape [3, 3], got [2, 4]");
    expect(() => matmul(out, zeros([4, 4]), out)).toThrow("out must not be a or b");
    expect(() => matmul(a, b, out, { accumulate: true, addend: out })).toThrow("exclude each other");
    expect(() => matmul(a, b, out, { activation: "tanh" as "gelu" })).toThrow('one of "none", "relu2", "gelu"');
    expect(() => matmul(a, floatTensor(b.data, [3, 4], [1, 3]), out)).toThrow("b must have a last stride of 1");
  });
});

describe("the fused activations", () => {
  // gelu(x) = x / (1 + e^-u): the error of u near 20 is 1e-6, and with it the relative error of the tails.
  it("follow their formulas over their whole range, from ±0 to overflow", () => {
    const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 100);
    x.set([0, -0, 1e-30, -1e-30, 1e15, -1e15]);
    for (const activation of ["relu2", "gelu"] as const) {
      const out = zeros([1, x.length]);
      matmul(floatTensor(Float32Array.of(1), [1, 1]), floatTensor(x, [1, x.length]), out, { activation });
      const expected = Float64Array.from(x, (value) => activate(activation, value));
      expectAllClose(out.data, expected, { rtol: 3e-6, atol: 3e-7 });
    }
  });
});

describe("biasBackward", () => {
  for (const [rows, columns] of [
    [0, 5],
    [1, 1],
    [3, 40],
    [70, 33],
    [257, 100],
  ] as const) {
    it(`adds the column sums of [${rows}, ${columns}] to what is there`, () => {
      const dy = randomFloats(rows * columns, 12);
      const dbias = randomFloats(columns, 13);
      const expected = Float64Array.from(dbias);
      for (let i = 0; i < dy.length; i++) expected[i % columns] = (expected[i % columns] as number) + (dy[i] as number);
      const stride = columns + 7;
      const out = zeros([columns]);
      out.data.set(dbias);
      biasBackward(floatTensor(stridedRows(dy, rows, columns, stride, 1), [rows, columns], [stride, 1]), out);
      // Sums of R normal values in float32: R roundings of 6e-8.
      expectAllClose(out.data, expected, { rtol: 1e-6, atol: 1e-7 * Math.max(rows, 1) });
    });
  }

  it("carries NaN to its own column, and gives the same bits every time", () => {
    const dy = floatTensor(randomFloats(300 * 50, 14), [300, 50]);
    dy.data[123 * 50 + 7] = Number.NaN;
    const sums = [0, 1].map(() => {
      const dbias = zeros([50]);
      biasBackward(dy, dbias);
      return dbias.data;
    });
    expect(sums[1]).toEqual(sums[0]);
    expect([...(sums[0] as Float32Array)].flatMap((value, i) => (Number.isNaN(value) ? [i] : []))).toEqual([7]);
  });

  it("says what was expected and what came", () => {
    expect(() => biasBackward(zeros([2, 3]), zeros([2]))).toThrow("biasBackward: dbias must have shape [3], got [2]");
  });
});
