import { checkApart, checkArray, checkFlag, checkLength, checkOptions } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import { operationsFor } from "./backend.js";
import { type CodebookName, tablesOf } from "./codebook.js";
import { checkCount, gainBytes, lengthOf, readFloat } from "./format.js";

export interface DecodeOptions {
  /** n values, overwritten or added to. Default: new memory. */
  out?: Float32Array;
  /** Adds to `out` instead of overwriting it. Default false. */
  accumulate?: boolean;
  /** Multiplies every value, as float32; finite. Default 1. */
  scale?: number;
  /** The codebook of the encoder. Default `sqrt`. */
  codebook?: CodebookName;
  /** Whether the encoder sent a gain; it is read and applied. Default false. */
  gain?: boolean;
}

const op = "squinch.decode";

/**
 * Decodes n values in one pass: `out` = (level · maxabs) · gain · scale, or `out` + that, rounded to float32 after every
 * step.
 *
 * @param bytes what `encode` made: 6 · ceil(n / 8) bytes, 4 more with `gain`. @param n how many values, 0 or more.
 * @returns `out`.
 * @throws CaiError `E_FORMAT` when the bytes are not those of n values or the gain is not a positive finite number;
 * `E_SHAPE` for an `out` of another length; `E_ARGUMENT` for a wrong type or for shared, resizable, detached or
 * overlapping memory.
 *
 * Every block of bytes decodes to something finite: there is no checksum. The same bits from every backend.
 */
export function decode(bytes: Uint8Array, n: number, options: DecodeOptions = {}): Float32Array {
  checkOptions(options, op);
  const { accumulate = false, scale = 1, codebook = "sqrt", gain = false, out: given } = options;
  const tables = tablesOf(codebook, op);
  checkCount(n, op);
  checkFlag(accumulate, "accumulate", op);
  checkFlag(gain, "gain", op);
  checkScale(scale);
  checkArray(bytes, "bytes", ["Uint8Array"], op);
  checkBytes(bytes, n, gain);
  const out = given ?? newValues(n, accumulate);
  checkArray(out, "out", ["Float32Array"], op);
  checkLength(out, "out", n, "n", op);
  checkApart(bytes, "bytes", out, "out", op);
  const job = { gain: gain ? receiveGain(bytes) : 1, scale: Math.fround(scale), accumulate };
  operationsFor(n).squinchDecode(bytes, out, tables, job);
  return out;
}

function checkScale(scale: unknown): void {
  if (typeof scale !== "number" || !Number.isFinite(Math.fround(scale))) {
    throw new CaiError("E_ARGUMENT", op, `scale must be a finite float32, got ${String(scale)}`);
  }
}

function checkBytes(bytes: Uint8Array, n: number, gain: boolean): void {
  const expected = lengthOf(n, gain);
  if (bytes.length !== expected) {
    const what = `${n} values${gain ? " and a gain" : ""}`;
    throw new CaiError(
      "E_FORMAT",
      op,
      `${what} take ${expected} bytes, got ${bytes.length}: check n, gain and the sender`,
    );
  }
}

function newValues(n: number, accumulate: boolean): Float32Array {
  if (accumulate)
    throw new CaiError("E_ARGUMENT", op, "accumulate needs the out to add to: pass it, or leave accumulate");
  return new Float32Array(n);
}

function receiveGain(bytes: Uint8Array): number {
  const gain = readFloat(bytes, bytes.length - gainBytes);
  if (gain > 0 && gain < Number.POSITIVE_INFINITY) return gain;
  throw new CaiError(
    "E_FORMAT",
    op,
    `the gain must be positive and finite, got ${gain}: the bytes are damaged or have none`,
  );
}
