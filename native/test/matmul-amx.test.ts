import { expectAllClose, randomFloats, stridedRows } from "@cai/test-utils";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { backendInfo, floatTensor, type MatmulOptions, matmul, setThreads, threads, zeros } from "../js/index.js";
import { matmulReference } from "./matmul-reference.js";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

// Sizes from which products run on tiles where the processor has them (matmul_amx.cc): 64 on every side, and 16 million
// multiply-adds. Elsewhere the same is asked of the other instruction sets.
const started = threads();
beforeAll(() => setThreads(2));
afterEach(() => setThreads(2));
afterAll(() => setThreads(started));

interface Flags {
  transposeA: boolean;
  transposeB: boolean;
}
const layouts: Flags[] = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);
const name = (flags: Flags) => `${flags.transposeA ? "T" : "N"}${flags.transposeB ? "T" : "N"}`;

function operands(m: number, n: number, k: number, { transposeA, transposeB }: Flags) {
  const a = floatTensor(randomFloats(m * k, 1), transposeA ? [k, m] : [m, k]);
  const b = floatTensor(randomFloats(k * n, 2), transposeB ? [n, k] : [k, n]);
  return { a, b };
}

// K roundings of 6e-8 of sums near √K, as in matmul.test.ts.
const tolerance = (k: number) => ({ rtol: 1e-5, atol: 1e-6 + 1e-7 * k });

function check(m: number, n: number, k: number, flags: Flags, options: MatmulOptions = {}) {
  const { a, b } = operands(m, n, k, flags);
  const out = floatTensor(randomFloats(m * n, 3), [m, n]);
  const all = { ...flags, ...options };
  const expected = matmulReference(a.data, b.data, { m, n, k }, { ...all, out: out.data });
  matmul(a, b, out, all);
  expectAllClose(out.data, expected.out, tolerance(k));
  if (options.preActivation) expectAllClose(options.preActivation.data, expected.preActivation, tolerance(k));
}

describe("large products", () => {
  for (const flags of layouts) {
    // Around the tiles of 16, the panels of 32 and the passes of 512 along K.
    for (const [m, n, k] of [
      [256, 256, 256],
      [257, 255, 259],
      [273, 129, 511],
      [65, 249, 1025],
      [255, 300, 223],
    ] as const) {
      it(`agree with the definition, ${name(flags)} [${m}, ${k}] · [${k}, ${n}]`, () => check(m, n, k, flags));
    }

    it(`apply every part of the epilogue, over one pass of K and over several, ${name(flags)}`, () => {
      for (const [m, n, k] of [
        [259, 249, 260],
        [130, 126, 1100],
      ] as const) {
        const bias = floatTensor(randomFloats(n, 4), [n]);
        const addend = floatTensor(randomFloats(m * n, 5), [m, n]);
        const alpha = 0.3 / Math.sqrt(k);
        for (const activation of ["none", "gelu"] as const) {
          check(m, n, k, flags, { alpha, activation, bias, addend, preActivation: zeros([m, n]) });
          check(m, n, k, flags, { alpha, activation, bias, accumulate: true });
        }
      }
    });

    it(`read and write strided rows without touching the gaps, ${name(flags)}`, () => {
      const { a, b } = operands(257, 261, 259, flags);
      const dense = zeros([257, 261]);
      matmul(a, b, dense, flags);
      const spread = (tensor: typeof a) => {
        const [rows, columns] = tensor.shape as [number, number];
        const stride = columns + 7;
        return floatTensor(stridedRows(tensor.data, rows, columns, stride, 3), [rows, columns], [stride, 1]);
      };
      const out = spread(zeros([257, 261]));
      matmul(spread(a), spread(b), out, flags);
      expect(out.data).toEqual(spread(dense).data);
    });

    it(`give the same bits every time, ${name(flags)}`, () => {
      const { a, b } = operands(150, 170, 1100, flags);
      const [first, second] = [zeros([150, 170]), zeros([150, 170])];
      matmul(a, b, first, flags);
      matmul(a, b, second, flags);
      expect(second.data).toEqual(first.data);
    });

    it(`carry NaN, infinity and huge values to the elements that depend on them alone, ${name(flags)}`, () => {
      const [m, n, k] = [170, 171, 600];
      for (const value of [Number.NaN, Infinity, -Infinity, 3e38]) {
        for (const inA of [true, false]) {
          const { a, b } = operands(m, n, k, flags);
          a.data.forEach((x, i) => {
            a.data[i] = Math.abs(x) + 0.1;
          });
          b.data.forEach((x, i) => {
            b.data[i] = (Math.abs(x) + 0.1) / 10;
          });
          const before = zeros([m, n]);
          matmul(a, b, before, flags);
          const [line, p] = [40, 550];
          if (inA) a.data[flags.transposeA ? p * m + line : line * k + p] = value;
          else b.data[flags.transposeB ? line * k + p : p * n + line] = value;
          const out = zeros([m, n]);
          matmul(a, b, out, flags);
          const expected = matmulReference(a.data, b.data, { m, n, k }, flags).out;
          out.data.forEach((got, i) => {
            const affected = (inA ? Math.floor(i / n) : i % n) === line;
            const wanted = affected ? Math.fround(expected[i] as number) : (before.data[i] as number);
            if (Number.isFinite(wanted)) {
              if (Math.abs(got - wanted) > 1e-4 * Math.abs(wanted)) expect(got).toBe(wanted);
            } else if (!Object.is(got, wanted)) expect(got).toBe(wanted);
          });
        }
      }
    });
  }

  it("multiply batches", () => {
    const [batch, m, n, k] = [2, 256, 255, 258];
    const a = floatTensor(randomFloats(batch * m * k, 6), [batch, m, k]);
    const b = floatTensor(randomFloats(batch * k * n, 7), [batch, k, n]);
    const out = zeros([batch, m, n]);
    matmul(a, b, out);
    for (let i = 0; i < batch; i++) {
      const { out: expected } = matmulReference(
        a.data.subarray(i * m * k),
        b.data.subarray(i * k * n),
        { m, n, k },
        {},
      );
      expectAllClose(out.data.subarray(i * m * n, (i + 1) * m * n), expected, tolerance(k));
    }
  });

  // Parts below 2^-126 count as zero: an absolute error of 2^-126 a term and operand of size 1.
  it("lose no more than 2^-120 of operands near the smallest normal number", () => {
    const { a, b } = operands(256, 257, 258, { transposeA: false, transposeB: false });
    a.data.forEach((x, i) => {
      a.data[i] = x * 2 ** -115;
    });
    const out = zeros([256, 257]);
    matmul(a, b, out);
    const expected = matmulReference(a.data, b.data, { m: 256, n: 257, k: 258 }, {}).out;
    expectAllClose(out.data, expected, { rtol: 0, atol: 258 * (4 * 2 ** -126 + 1e-7 * 2 ** -115) });
  });
});

describe("large products on tiles", () => {
  let box: TemporaryPackage;
  beforeAll(async () => {
    box = await temporaryPackage(["products"]);
  });
  afterAll(() => box.remove());

  it("are not less accurate than on AVX-512, on values near each other, far apart and cancelling", async () => {
    const measure = async (target: string) => {
      const { stdout } = await box.run("products.js", { env: { CAI_CPU_TARGET: target } });
      return JSON.parse(stdout) as { cpuTarget: string; errors: Record<string, number> };
    };
    const [best, plain] = [await measure(""), await measure("avx512")];
    expect(plain.cpuTarget).not.toBe("amx");
    for (const [data, error] of Object.entries(best.errors)) {
      // One element's error is luck, the mean of some thousand is not.
      expect(error, data).toBeLessThanOrEqual(1.5 * (plain.errors[data] as number));
    }
  });

  it("have the same bits for any number of threads", ({ annotate }) => {
    const tiles = backendInfo().cpuTarget === "amx";
    if (!tiles) annotate("this processor has no tiles: only repeatability was checked");
    const { a, b } = operands(300, 130, 600, { transposeA: false, transposeB: true });
    const results = (tiles ? [1, 2, 5] : [2, 2]).map((count) => {
      setThreads(count);
      const out = zeros([300, 130]);
      matmul(a, b, out, { transposeB: true });
      return out.data;
    });
    for (const result of results) expect(result).toEqual(results[0]);
  });
});
