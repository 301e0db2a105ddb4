/** What an encoder or decoder knows of a codebook; plain arrays, so that native code needs no tables of its own. */
export interface CodeTables {
  /** maxabs[q], 256 rising values. */
  readonly maxima: Float32Array;
  /** inv[q], 256 falling values. */
  readonly inverses: Float32Array;
  /** What code k decodes to, as a share of maxabs; 16 rising values. */
  readonly levels: Float32Array;
  /** The code of |x| is how many of these 15 are at most t = round32(|x| · inv[q]). */
  readonly thresholds: Float32Array;
  /** Whether code 0 has a sign. Where it hasn't, its sign bit is written as 0. */
  readonly signedZero: boolean;
}

/** How {@link BlockOps.squinchEncode} is to encode. */
export interface EncodeJob {
  /** Stochastic rounding instead of nearest. */
  readonly stochastic: boolean;
  /** Philox key; 0 to 2⁶⁴ − 1. Read only if `stochastic`. */
  readonly seed: number | bigint;
  /** High half of the Philox counter; 0 to 2⁶⁴ − 1. Read only if `stochastic`. */
  readonly stream: number | bigint;
  /** Whether NaN and infinities are replaced instead of refused. */
  readonly saturate: boolean;
  /** Whether the sums for the gain are taken; `residualOut` then gets the values instead of the error. */
  readonly gain: boolean;
  /** Added to `x` first, as float32. n values; never without `residualOut`. */
  readonly residual: Float32Array | undefined;
  /** The values minus what they decode to, as float32; may be `residual` itself. n values. */
  readonly residualOut: Float32Array | undefined;
}

/** How {@link BlockOps.squinchDecode} is to decode. */
export interface DecodeJob {
  /** A float32, as is `scale`. */
  readonly gain: number;
  readonly scale: number;
  /** Whether `out` is added to. */
  readonly accumulate: boolean;
}

/**
 * Encoding and decoding of whole vectors: portable here, native in `@cai/native`, and the same bytes from both.
 * Callers have checked every argument (types, lengths, overlaps, detached or shared memory). `native-adapter.ts` makes it
 * of the operations of `@cai/native`.
 *
 * NOTES for whoever implements it; FORMAT.md has the wire format.
 *
 * v = x, or round32(x + residual). A v that is not finite: without `saturate`, report its index (the smallest) and leave
 * `residualOut` untouched (look before you write; `out` may be anything); with it, NaN becomes +0 and ±infinity becomes
 * ±round32(levels[15] · maxima[255]), before everything else.
 *
 * Nearest: q = smallest with m < maxima[q], 255 if there is none, m = max |v|; q = 0 writes six zero bytes;
 * t = round32(|v| · inverses[q]), code = number of thresholds ≤ t (for `sqrt` the same as min(15, trunc(sqrt32(t)))).
 * Signs: bit set if v < 0 (so not for −0), cleared for code 0 unless signedZero. Padding: code 0, sign 0.
 *
 * Stochastic: D[k] = round32(levels[k] · maxima[q]); q = 0 if m = 0, otherwise the smallest q ≥ 1 with m ≤ D[15], 255 if
 * there is none. u = word i mod 4 of Philox block i / 4 (key = seed, counter = (i / 4 as 64 bits, stream)), i = index of
 * the value in the vector, 32 bits used. a = |v|. All in double, no fused operations:
 *   a ≥ D[15]: code 15. D[k] ≤ a < D[k + 1]: code k + 1 if u · (D[k + 1] − D[k]) < (a − D[k]) · 2³², otherwise k; sign of v.
 *   a < D[0] (signedZero only): code 0, positive if u · (2 · D[0]) < (v + D[0]) · 2³², otherwise negative.
 * Sign and padding as above (padding never gets a random sign). D[k] ≤ a < D[k + 1] needs no search: D[c] lies between the
 * thresholds of code c, so with c the nearest code, k = c if a ≥ D[c], otherwise c − 1.
 *
 * d = round32(levels[code] · maxima[q]) with its sign; 0 where q = 0. residualOut = round32(v − d), or v when `gain`.
 *
 * Gain sums, in double, each product exact: chunks of 1,024 blocks (8,192 values) from the start. In a chunk eight sums,
 * one for each place in the block, over its blocks in order; then ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)); chunks
 * are added in order, from 0. Padding adds 0. (TypeScript makes the gain of them and takes it off `residualOut`.)
 *
 * Decoding: out = round32(round32(round32(levels[code] · maxima[q]) · gain) · scale), the sign being that of the level;
 * with `accumulate` round32(out + that). q = 0: eight +0, multiplied and added like the others. Multiplying by 1 changes
 * nothing, so gain and scale are always given.
 */
export interface BlockOps {
  /**
   * @param x n values; Uint16Array holds bfloat16 bit patterns. @param out 6 · ceil(n / 8) bytes or more: the rest stays.
   * @param report five doubles, overwritten: index of the first value that is not finite or −1 (with `saturate`, always
   * −1); how many were not finite; how many exact zeros (after saturation) stand in live blocks, q > 0, padding not
   * counted; Σ v·d and Σ d·d if `gain`, otherwise 0.
   */
  squinchEncode(
    x: Float32Array | Uint16Array,
    out: Uint8Array,
    tables: CodeTables,
    job: EncodeJob,
    report: Float64Array,
  ): void;
  /** @param bytes 6 · ceil(n / 8) bytes or more. @param out n values. */
  squinchDecode(bytes: Uint8Array, out: Float32Array, tables: CodeTables, job: DecodeJob): void;
  /** Rounds to bfloat16, ties to even; a NaN becomes quiet. @param out as many bit patterns as `x` has values. */
  float32ToBf16(x: Float32Array, out: Uint16Array): void;
  /** out = round32(x · scale), or round32(out + round32(x · scale)). @param x as many bit patterns as `out` has values. */
  bf16ToFloat32(x: Uint16Array, out: Float32Array, job: Omit<DecodeJob, "gain">): void;
}
