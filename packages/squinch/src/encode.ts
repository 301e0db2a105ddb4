import {
  checkApart,
  checkArray,
  checkChoice,
  checkFlag,
  checkLength,
  checkOptions,
  checkWide,
  isSame,
} from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import { operationsFor } from "./backend.js";
import { type CodebookName, tablesOf } from "./codebook.js";
import { gainBytes, lengthOf, writeFloat } from "./format.js";
import type { BlockOps, CodeTables, EncodeJob } from "./native-ops.js";

/** float32 values, or bfloat16 bit patterns. */
export type GradientInput = Float32Array | Uint16Array;

export interface EncodeOptions {
  /** What the codes mean; the reader must know it. Default `sqrt`. */
  codebook?: CodebookName;
  /**
   * `nearest` (default), or `stochastic`: each value becomes one of its two neighbours at random, such that its mean is
   * the value (up to magnitudes of 1.46e9).
   */
  rounding?: "nearest" | "stochastic";
  /** Which random numbers stochastic rounding uses, 0 to 2⁶⁴ − 1. Default 0. */
  seed?: number | bigint;
  /** Streams of one seed are independent: give each tensor, rank and step its own. 0 to 2⁶⁴ − 1. Default 0. */
  stream?: number | bigint;
  /** `error` (default), or `saturate`: infinities become the largest decoded value of their sign, NaN becomes 0. */
  nonFinite?: "error" | "saturate";
  /** n values that are added to `x` first, as float32: what earlier encodings left out. */
  residual?: Float32Array;
  /** Gets (x + residual) − decoded, as float32, n values. Default: `residual`, in place. */
  residualOut?: Float32Array;
  /** Measures the gain Σ v·d / Σ d·d and sends it behind the blocks; not with stochastic rounding. Default false. */
  gain?: boolean;
}

/** What {@link encodeInto} tells of the values it encoded. */
export interface EncodeResult {
  /** How many were not finite and were replaced. */
  readonly nonFinite: number;
  /** How many exact zeros will decode to something else: with `sqrt`, those in live blocks, to maxabs / 1024. */
  readonly zeros: number;
  /** The gain that was sent, a float32; 1 without `gain`. */
  readonly gain: number;
}

const op = "squinch.encode";
const report = new Float64Array(5);

/**
 * Encodes gradients in 6 bits a value (and 32 for the gain, if it is sent): FORMAT.md has the bytes.
 *
 * @param x n float32 values, or bfloat16 bit patterns. @param options.out 6 · ceil(n / 8) bytes, 4 more with `gain`;
 * overwritten. Default: new memory.
 * @returns `out`.
 * @throws CaiError `E_ARGUMENT` for a value that is not finite, naming the first (`residualOut` is then untouched, `out`
 * undefined), for a wrong type and for shared, resizable, detached or overlapping memory; `E_SHAPE` for a wrong length.
 *
 * The same bytes from every backend, for any number of threads.
 */
export function encode(x: GradientInput, options: EncodeOptions & { out?: Uint8Array } = {}): Uint8Array {
  checkOptions(options, op);
  checkArray(x, "x", ["Float32Array", "Uint16Array"], op);
  const out = options.out ?? new Uint8Array(lengthOf(x.length, options.gain === true));
  encodeInto(x, out, options);
  return out;
}

/**
 * {@link encode} into given memory, telling what was met: allocates nothing that grows with n.
 *
 * @param out 6 · ceil(n / 8) bytes, 4 more with `gain`; overwritten, overlapping no other array.
 */
export function encodeInto(x: GradientInput, out: Uint8Array, options: EncodeOptions = {}): EncodeResult {
  checkOptions(options, op);
  const { codebook = "sqrt", gain = false } = options;
  const tables = tablesOf(codebook, op);
  const job = jobOf(options, gain);
  checkArrays(x, out, job);
  const ops = operationsFor(x.length);
  ops.squinchEncode(x, out, tables, job, report);
  const [firstNonFinite, nonFinite, zeros] = report as unknown as [number, number, number];
  if (firstNonFinite >= 0) throw notFinite(x, job.residual, firstNonFinite);
  const sent = gain ? sendGain(out, report[3] as number, report[4] as number) : 1;
  if (gain && job.residualOut) subtractDecoded(ops, out, job.residualOut, tables, sent);
  return { nonFinite, zeros: tables.signedZero ? zeros : 0, gain: sent };
}

function jobOf(options: EncodeOptions, gain: boolean): EncodeJob {
  const { rounding = "nearest", seed = 0, stream = 0, nonFinite = "error", residual } = options;
  const { residualOut = residual } = options;
  checkChoice(rounding, "rounding", ["nearest", "stochastic"], op);
  checkChoice(nonFinite, "nonFinite", ["error", "saturate"], op);
  checkFlag(gain, "gain", op);
  checkWide(seed, "seed", op);
  checkWide(stream, "stream", op);
  const stochastic = rounding === "stochastic";
  if (stochastic && gain) {
    const message = "gain makes up for a shrinkage that stochastic rounding does not have, and would make it biased";
    throw new CaiError("E_ARGUMENT", op, `${message}: use one of them`);
  }
  return { stochastic, seed, stream, saturate: nonFinite === "saturate", gain, residual, residualOut };
}

function checkArrays(x: GradientInput, out: Uint8Array, { gain, residual, residualOut }: EncodeJob): void {
  checkArray(x, "x", ["Float32Array", "Uint16Array"], op);
  checkArray(out, "out", ["Uint8Array"], op);
  checkLength(out, "out", lengthOf(x.length, gain), `encodedLength of ${x.length} values`, op);
  checkApart(out, "out", x, "x", op);
  if (residual !== undefined) {
    checkArray(residual, "residual", ["Float32Array"], op);
    checkLength(residual, "residual", x.length, "one for each value of x", op);
    checkApart(out, "out", residual, "residual", op);
  }
  if (residualOut === undefined) return;
  checkArray(residualOut, "residualOut", ["Float32Array"], op);
  checkLength(residualOut, "residualOut", x.length, "one for each value of x", op);
  checkApart(out, "out", residualOut, "residualOut", op);
  checkApart(residualOut, "residualOut", x, "x", op);
  if (residual !== undefined && !isSame(residual, residualOut)) {
    checkApart(residualOut, "residualOut", residual, "residual", op);
  }
}

function notFinite(x: GradientInput, residual: Float32Array | undefined, index: number): CaiError {
  const what = residual
    ? "x + residual is not finite"
    : x.BYTES_PER_ELEMENT === 2
      ? "x is not finite"
      : `x is ${x[index]}`;
  const advice = 'leave this step out, or pass nonFinite: "saturate"';
  return new CaiError("E_ARGUMENT", op, `${what} at index ${index}, but only finite values can be encoded: ${advice}`);
}

/** Writes the gain behind the blocks: 1 unless the quotient is a positive, finite float32. */
function sendGain(out: Uint8Array, product: number, square: number): number {
  const quotient = Math.fround(product / square);
  const gain = quotient > 0 && quotient < Number.POSITIVE_INFINITY ? quotient : 1;
  writeFloat(out, out.length - gainBytes, gain);
  return gain;
}

/** residualOut holds the values; takes off what readers will decode. */
function subtractDecoded(
  ops: BlockOps,
  out: Uint8Array,
  residualOut: Float32Array,
  tables: CodeTables,
  gain: number,
): void {
  ops.squinchDecode(out, residualOut, tables, { gain, scale: -1, accumulate: true });
}
