import { callNative } from "../load.js";
import type { FloatTensor, Tensor } from "../tensor.js";

/** What blocks are encoded and decoded by: the scales of `@cai/squinch` and one of its codebooks. */
export interface SquinchTables {
  /** maxabs of q_max, [256], each at least 9/8 of the one before. */
  readonly maxima: FloatTensor;
  /** What |v| is multiplied by to be compared with thresholds, [256], positive. */
  readonly inverses: FloatTensor;
  /** [15], rising, positive; a code is how many of them are at most t. */
  readonly thresholds: FloatTensor;
  /** What codes decode to as shares of maxabs, [16], rising, from 0 or more. */
  readonly levels: FloatTensor;
  /** Whether code 0 has a sign. Where it hasn't, its sign bit is written as 0. */
  readonly signedZero: boolean;
}

export interface SquinchEncodeOptions {
  /** Unbiased stochastic rounding instead of rounding to the nearest code. Default false. */
  stochastic?: boolean;
  /** Philox key, 0 to 2⁶⁴ − 1; with `stochastic` only, and needed there. */
  seed?: number | bigint;
  /** Upper half of the Philox counter, 0 to 2⁶⁴ − 1; likewise. Value i takes word i mod 4 of block i div 4. */
  stream?: number | bigint;
  /** Whether NaN is taken as 0 and infinity as the largest value there is. Default false: see {@link SquinchCounts}. */
  saturate?: boolean;
  /** Whether to take the sums for a gain. Default false. */
  gain?: boolean;
  /** Added to `x` first, [n]. */
  residual?: FloatTensor;
  /** Gets v minus what it decodes to, or v itself where `gain` is on, [n]. May be `residual` or `x`. */
  residualOut?: FloatTensor;
}

/** What {@link squinchEncode} found. */
export interface SquinchCounts {
  /** Index of the first NaN or infinity, −1 if there is none. Unless `saturate`, `out` is undefined when there is one. */
  firstNonFinite: number;
  /** How many were NaN or infinite. */
  nonFinite: number;
  /** Zeros in blocks that are not all zero, NaN taken as 0 included, padding not. */
  zeros: number;
  /** Σ v · decoded, if asked for. */
  dot: number;
  /** Σ decoded², if asked for. */
  square: number;
}

/**
 * Encodes values in blocks of eight, six bytes each: q_max, eight sign bits, eight 4-bit codes.
 *
 * With v = x (+ residual) and m = max |v| of a block: q_max counts the maxima[0..254] that are at most m, t = |v| ·
 * inverses[q_max], and a code counts the thresholds that are at most t. With `stochastic`, q_max is the least from 1 on with
 * m at most levels[15] · maxima[q_max], and v is rounded up or down in proportion, so that its mean is v.
 *
 * @param x [n], float32 or bfloat16. @param out 6 · ceil(n / 8) bytes, overwritten.
 * @returns counts. Without `saturate` a NaN or infinity shows only there; `residualOut` is untouched then.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Single float32 operations (stochastic rounding and sums in double precision), none fused: the same bytes for any number
 * of threads and on any processor. The sums are taken over stretches of 8,192 values, in each one sum for each of the eight
 * places in a block, added ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)).
 * Source: block scale and widths as published by Character.ai; everything else is our choice (`@cai/squinch`, FORMAT.md).
 */
export function squinchEncode(
  x: FloatTensor | Tensor<"bfloat16">,
  out: Tensor<"uint8">,
  tables: SquinchTables,
  options: SquinchEncodeOptions = {},
): SquinchCounts {
  return callNative<SquinchCounts>("squinchEncode", x, out, tables, options);
}

export interface SquinchDecodeOptions {
  /** First factor, float32. Default 1. */
  gain?: number;
  /** Second factor, float32. Default 1. */
  scale?: number;
  /** Whether to add to `out`. Default false. */
  accumulate?: boolean;
}

/**
 * Decodes what {@link squinchEncode} wrote, in one pass: out (+)= ±levels[code] · maxima[q_max] · gain · scale; a block with
 * q_max = 0 is eight zeros whatever follows.
 *
 * @param bytes 6 · ceil(n / 8) bytes; any content is valid. @param out [n].
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 *
 * Each operation rounded to float32, none fused: the same bits for any number of threads and on any processor.
 */
export function squinchDecode(
  bytes: Tensor<"uint8">,
  out: FloatTensor,
  tables: SquinchTables,
  options: SquinchDecodeOptions = {},
): void {
  callNative("squinchDecode", bytes, out, tables, options);
}
