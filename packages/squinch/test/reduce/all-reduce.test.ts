import { expectAllClose, memoryRanks, randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import {
  bf16Codec,
  createResidual,
  decode,
  encode,
  float32Codec,
  type GradientCodec,
  type Residual,
  shardLayout,
  squinchAllReduce,
  squinchCodec,
} from "../../src/index.js";

/** One byte a value in blocks of 5, and 3 bytes of its own before them: as unlike Squinch as the interface allows. */
const int8Codec: GradientCodec = {
  name: "int8",
  blockLength: 5,
  bytes: (n) => 3 + n,
  encode(x, out, { residual, residualOut = residual }) {
    out.fill(7, 0, 3);
    x.forEach((value, i) => {
      const wanted = Math.fround(value + (residual?.[i] ?? 0));
      const code = Math.max(-127, Math.min(127, Math.round(wanted * 32)));
      out[3 + i] = code;
      if (residualOut) residualOut[i] = wanted - code / 32;
    });
    return { nonFinite: 0 };
  },
  decode(bytes, out, { accumulate, scale }) {
    if (bytes[0] !== 7) throw new Error("not these bytes");
    out.forEach((old, i) => {
      const value = Math.fround((((bytes[3 + i] as number) << 24) >> 24) * (scale / 32));
      out[i] = accumulate ? old + value : value;
    });
  },
};

const codecs: Record<string, GradientCodec> = {
  float32: float32Codec,
  bf16: bf16Codec,
  squinch: squinchCodec(),
  "adam codebook": squinchCodec({ codebook: "adam" }),
  "with a gain": squinchCodec({ gain: true }),
  "of another kind": int8Codec,
};

const lengths = [...Array.from({ length: 41 }, (_, n) => n), 77, 200, 1003];

function inputs(n: number, size: number): Float32Array[] {
  return Array.from({ length: size }, (_, rank) => randomFloats(n, 100 * n + rank));
}

/** The two phases from their definition: everybody's bytes, added in the order of ranks, encoded once. */
function reference(codec: GradientCodec, given: readonly Float32Array[], scale: number, residuals?: Residual[]) {
  const n = given[0]?.length ?? 0;
  const out = new Float32Array(n);
  const context = (residual?: Float32Array) => ({ residual, residualOut: residual, seed: 0, stream: 0 });
  shardLayout(n, given.length, codec.blockLength).ranges.forEach(({ begin, end }, owner) => {
    if (begin === end) return;
    const bytes = new Uint8Array(codec.bytes(end - begin));
    const sum = new Float32Array(end - begin);
    given.forEach((values, rank) => {
      codec.encode(values.subarray(begin, end), bytes, context(residuals?.[rank]?.local.subarray(begin, end)));
      codec.decode(bytes, sum, { accumulate: rank > 0, scale: 1 });
    });
    codec.encode(sum, bytes, context(residuals?.[owner]?.shard));
    codec.decode(bytes, out.subarray(begin, end), { accumulate: false, scale });
  });
  return out;
}

async function reduce(given: readonly Float32Array[], options: (rank: number) => object, seed = 1) {
  const results = given.map((values) => values.slice());
  const ranks = memoryRanks(given.length, seed);
  await Promise.all(
    ranks.map((comm) => squinchAllReduce(results[comm.rank] as Float32Array, comm, options(comm.rank))),
  );
  return results;
}

describe("squinchAllReduce", () => {
  describe.each(Object.entries(codecs))("%s", (_, codec) => {
    it("gives every rank the bits of the definition, for any length and number of ranks", async () => {
      for (const size of [2, 3, 4, 5]) {
        for (const n of lengths) {
          const given = inputs(n, size);
          const expected = reference(codec, given, 0.5);
          for (const result of await reduce(given, () => ({ codec, scale: 0.5 }))) expect(result).toEqual(expected);
        }
      }
    });

    it("carries over what encodings lose, step by step", async () => {
      for (const [size, n] of [
        [2, 40],
        [3, 77],
        [5, 23],
      ] as const) {
        const residualOf = (rank: number) => createResidual(n, { rank, size }, codec.blockLength);
        const ours = Array.from({ length: size }, (_, rank) => residualOf(rank));
        const theirs = Array.from({ length: size }, (_, rank) => residualOf(rank));
        const applied = new Float64Array(n);
        const computed = new Float64Array(n);
        for (let step = 0; step < 5; step++) {
          const given = inputs(n, size).map((values) => values.map((value) => value * (step + 1)));
          const expected = reference(codec, given, 1, theirs);
          const [result] = await reduce(given, (rank) => ({ codec, residual: ours[rank] }));
          expect(result).toEqual(expected);
          expect(ours).toEqual(theirs);
          for (const values of given) addTo(computed, values);
          addTo(applied, result ?? []);
        }
        // Nothing is lost for good: what was not applied is in the residuals.
        const { ranges } = shardLayout(n, size, codec.blockLength);
        ours.forEach(({ local, shard }, rank) => {
          addTo(applied, local);
          addTo(applied, shard, ranges[rank]?.begin);
        });
        // Rounding of the sums in float32.
        expectAllClose(applied, computed, { rtol: 1e-5, atol: 1e-5 });
      }
    });
  });

  it("does not depend on how long operations take", async () => {
    const given = inputs(333, 4);
    const results = await Promise.all([1, 2, 3].map((seed) => reduce(given, () => ({}), seed)));
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("uses Squinch with the given codebook unless told otherwise", async () => {
    const given = inputs(64, 2);
    expect((await reduce(given, () => ({ codebook: "adam" })))[0]).toEqual(
      reference(squinchCodec({ codebook: "adam" }), given, 1),
    );
    const values = given[0] as Float32Array;
    const twice = decode(encode(decode(encode(values), 64).map((value) => 2 * value)), 64);
    expect((await reduce([values, values], () => ({})))[0]).toEqual(twice);
  });

  it("rounds at random in an unbiased way, differently in every step, and the same again", async () => {
    const n = 4000;
    const values = randomFloats(n, 1);
    const given = [values, values];
    const options = { rounding: "stochastic", seed: 5 } as const;
    const run = async (more: object) => (await reduce(given, () => ({ ...options, ...more })))[0] as Float32Array;
    const [first, again, next, other] = [
      await run({ step: 3 }),
      await run({ step: 3 }),
      await run({ step: 4 }),
      await run({ step: 3, seed: 6 }),
    ];
    expect(again).toEqual(first);
    expect(next).not.toEqual(first);
    expect(other).not.toEqual(first);
    // Unbiased: the mean over steps comes near the truth.
    const mean = new Float64Array(n);
    for (let step = 0; step < 64; step++)
      addTo(
        mean,
        (await run({ step })).map((value) => value / 64),
      );
    const error = Math.hypot(...mean.map((value, i) => value - 2 * (values[i] as number)));
    expect(error / Math.hypot(...values.map((value) => 2 * value))).toBeLessThan(0.02);
  });

  it("leaves a single rank's values alone but for the scale, whatever the codec", async () => {
    const values = randomFloats(100, 1);
    expect((await reduce([values], () => ({ scale: 0.1 })))[0]).toEqual(
      values.map((value) => value * Math.fround(0.1)),
    );
    expect((await reduce([values], () => ({})))[0]).toEqual(values);
  });

  it("saturates what is not finite, and tells its rank", async () => {
    const given = inputs(50, 3);
    (given[1] as Float32Array)[7] = Number.NaN;
    (given[1] as Float32Array)[8] = Number.POSITIVE_INFINITY;
    const ranks = memoryRanks(3);
    const found = await Promise.all(ranks.map((comm) => squinchAllReduce(given[comm.rank] as Float32Array, comm)));
    // Rank 0 owns the sum, which stays finite.
    expect(found.map(({ nonFinite }) => nonFinite)).toEqual([0, 2, 0]);
    expect(given[0]?.every(Number.isFinite)).toBe(true);
    expect(given[1]).toEqual(given[0]);
  });

  it("names what does not fit before anything is sent", async () => {
    const [comm] = memoryRanks(2) as [ReturnType<typeof memoryRanks>[0]];
    const n = 20;
    const values = new Float32Array(n);
    const residual = createResidual(n, comm);
    expect(residual.shard.length).toBe(16);
    const attempts: [Promise<unknown>, string | RegExp][] = [
      [squinchAllReduce([1, 2] as never, comm), /gradient must be a Float32Array/],
      [squinchAllReduce(values, comm, { scale: Number.NaN }), "scale must be a finite float32, got NaN"],
      [squinchAllReduce(values, comm, { residual: createResidual(n + 1, comm) }), /residual.local .* 20/],
      [
        squinchAllReduce(values, comm, { residual: { ...residual, shard: new Float32Array(4) } }),
        /residual.shard .* 16/,
      ],
      [squinchAllReduce(values, comm, { rounding: "stochastic", gain: true }), /gain makes up for/],
    ];
    for (const [attempt, message] of attempts) await expect(attempt).rejects.toThrow(message);
    expect(comm.bytesSent).toBe(0);
  });
});

function addTo(sums: Float64Array, values: ArrayLike<number>, begin = 0): void {
  for (let i = 0; i < values.length; i++) sums[begin + i] = (sums[begin + i] as number) + (values[i] as number);
}
