import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { CodebookName } from "../src/codebook.js";
import type { BlockOps, EncodeJob } from "../src/native-ops.js";
import { backends, decodeWith, encodeWith } from "./support/backends.js";

const count = 1 << 20;
const codebooks: CodebookName[] = ["sqrt", "adam", "lloyd"];

/** Bit patterns all over, about one of 4,096: an odd stride visits every exponent, and neighbours differ in scale. */
function scattered(first: number): Float32Array {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = Math.imul(i, 0x9e3779b1) + first;
  return new Float32Array(words.buffer);
}

/** Bit patterns in a row from each of 256 places: neighbours share a block, and lie on both sides of bounds. */
function inRows(first: number): Float32Array {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = Math.imul(i >> 12, 0x01000000) + (i & 4095) + first;
  return new Float32Array(words.buffer);
}

/** Blocks whose members differ by up to 2¹⁶. */
function spread(first: number): Float32Array {
  const x = scattered(first);
  const words = new Uint32Array(x.buffer);
  for (let i = 0; i < count; i++) {
    const largest = Math.max(16, (words[i & ~7] as number) & 0x7f800000) >>> 23;
    const exponent = Math.max(0, largest - ((words[i] as number) & 15));
    words[i] = ((words[i] as number) & 0x807fffff) | (exponent << 23);
  }
  return x;
}

const jobs: [string, Partial<EncodeJob>][] = [
  ["to the nearest code", {}],
  ["stochastically", { stochastic: true, seed: 2n ** 63n + 5n, stream: 77 }],
];
const inputs = { scattered, inRows, spread };

/** All that a backend makes of the values, NaN and infinity included. */
function resultOf(ops: BlockOps, x: Float32Array, codebook: CodebookName, job: Partial<EncodeJob>): string {
  const { bytes, ...counts } = encodeWith(ops, x, { ...job, codebook, saturate: true });
  const decoded = decodeWith(ops, bytes, new Float32Array(x.length), {
    codebook,
    gain: 1.25,
    scale: Math.fround(-0.3),
  });
  return `${createHash("sha256").update(bytes).update(decoded).digest("hex")} ${JSON.stringify(counts)}`;
}

describe.each(codebooks)("every backend, with %s", (codebook) => {
  it.each(jobs)("encodes a million bit patterns %s to the same bytes", (_, job) => {
    for (const [index, make] of Object.values(inputs).entries()) {
      const x = make(0x3c6ef + index);
      const results = backends.map(([, ops]) => resultOf(ops, x, codebook, job));
      expect(new Set(results).size).toBe(1);
    }
  });
});

describe("every backend", () => {
  it("rounds a million bit patterns to the same bfloat16, and widens them alike", () => {
    for (const make of Object.values(inputs)) {
      const x = make(0x5a5a5);
      const results = backends.map(([, ops]) => {
        const halves = new Uint16Array(count);
        ops.float32ToBf16(x, halves);
        const out = spread(1);
        ops.bf16ToFloat32(halves, out, { scale: Math.fround(0.3), accumulate: true });
        return createHash("sha256").update(halves).update(out.map(canonical)).digest("hex");
      });
      expect(new Set(results).size).toBe(1);
    }
  });
});

/** Engines and processors differ in the payload of a NaN that they compute. */
function canonical(value: number): number {
  return Number.isNaN(value) ? Number.NaN : value;
}
