import { backendsOf } from "@cai/test-utils";
import { describe, expect } from "vitest";
import type { CodebookName } from "../../src/codebook.js";
import { tablesOf } from "../../src/codebook.js";
import { loadNative } from "../../src/native-node.js";
import type { BlockOps, DecodeJob, EncodeJob } from "../../src/native-ops.js";
import { portableOps } from "../../src/portable/operations.js";

/** Every backend of this machine. The operations are called directly: the package sends short vectors to one of them. */
export const backends = backendsOf(portableOps, loadNative());

/** The same tests for every backend. */
export function forEachBackend(tests: (ops: BlockOps) => void): void {
  describe.each(backends)("%s", (_, ops) => tests(ops));
}

export interface Encoded {
  bytes: Uint8Array;
  firstNonFinite: number;
  nonFinite: number;
  zeros: number;
  product: number;
  square: number;
}

/** Encodes into memory full of ones, so that bytes left as they were show, and looks whether those behind were. */
export function encodeWith(
  ops: BlockOps,
  x: Float32Array | Uint16Array,
  options: Partial<EncodeJob> & { codebook?: CodebookName } = {},
): Encoded {
  const { codebook = "sqrt", ...job } = options;
  const length = 6 * Math.ceil(x.length / 8);
  const memory = new Uint8Array(length + 5).fill(255);
  const report = new Float64Array(5).fill(Number.NaN);
  ops.squinchEncode(x, memory, tablesOf(codebook, "test"), { ...defaults, ...job }, report);
  expect([...memory.subarray(length)]).toEqual([255, 255, 255, 255, 255]);
  const bytes = memory.slice(0, length);
  const [firstNonFinite, nonFinite, zeros, product, square] = report as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { bytes, firstNonFinite, nonFinite, zeros, product, square };
}

const defaults: EncodeJob = {
  stochastic: false,
  seed: 0,
  stream: 0,
  saturate: false,
  gain: false,
  residual: undefined,
  residualOut: undefined,
};

export function decodeWith(
  ops: BlockOps,
  bytes: Uint8Array,
  out: Float32Array,
  options: Partial<DecodeJob> & { codebook?: CodebookName } = {},
): Float32Array {
  const { codebook = "sqrt", ...job } = options;
  ops.squinchDecode(bytes, out, tablesOf(codebook, "test"), { gain: 1, scale: 1, accumulate: false, ...job });
  return out;
}
