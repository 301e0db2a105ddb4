import { callNative } from "../load.js";
import type { FloatTensor } from "../tensor.js";

/** Which part of which random stream. */
export interface RandomStream {
  /** 0 to 2⁶⁴ − 1. */
  seed: bigint | number;
  /** 0 to 2⁶⁴ − 1: streams of one seed are independent of each other. */
  stream: bigint | number;
  /** Position in the stream of the first element, 0 to 2⁵³ − 1. Default 0. */
  offset?: number;
}

/**
 * Fills `out` with values uniform in [low, high): min(low + u · (high − low), the float32 below high), where u is the top
 * 24 bits of a Philox4x32-10 word, times 2⁻²⁴.
 *
 * Element i depends on seed, stream and offset + i alone, so any part of a stream can be made by itself, with the same
 * bits for any number of threads and on any processor.
 *
 * @param out any shape, contiguous, overwritten.
 * @param options.low default 0. @param options.high default 1; above `low`, and high − low finite, as float32.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 * Source: Salmon and others, 2011.
 */
export function randomUniform(out: FloatTensor, options: RandomStream & { low?: number; high?: number }): void {
  callNative("randomUniform", out, options);
}

/**
 * Fills `out` with mean + std · z, z standard normal by the method of Box and Muller; |z| ≤ 5.77, resolution 2⁻²⁴.
 *
 * Positions and bits as in {@link randomUniform}.
 *
 * @param out any shape, contiguous, overwritten.
 * @param options.mean default 0. @param options.std default 1, not negative.
 * @throws CaiError `E_SHAPE`, `E_DTYPE`, `E_ARGUMENT`.
 */
export function randomNormal(out: FloatTensor, options: RandomStream & { mean?: number; std?: number }): void {
  callNative("randomNormal", out, options);
}
