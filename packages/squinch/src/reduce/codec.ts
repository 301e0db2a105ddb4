/** What an encoding may use besides its values. */
export interface EncodeContext {
  /** Added to the values before they are encoded; as long as they are. */
  residual?: Float32Array | undefined;
  /** Receives (value + residual) − decoded, where there is a residual; may be `residual` itself. */
  residualOut?: Float32Array | undefined;
  /** Key of the random stream of a stochastic rounding. */
  seed: number;
  /** Its stream. */
  stream: number;
}

/** How gradients become bytes. Both directions must give the same bits on every rank. */
export interface GradientCodec {
  readonly name: string;
  /** Values that are encoded together: shards are whole blocks. */
  readonly blockLength: number;
  /** Bytes that n values take. */
  bytes(n: number): number;
  /**
   * Writes the bytes of `x`; never throws for a NaN or an infinity.
   *
   * @param out exactly `bytes(x.length)` long.
   * @returns how many values were not finite and could not be represented as such.
   */
  encode(x: Float32Array, out: Uint8Array, context: EncodeContext): { readonly nonFinite: number };
  /**
   * Writes or adds the values of `bytes`, multiplied by `scale`, in float32.
   *
   * @param bytes exactly `bytes(out.length)` long.
   */
  decode(bytes: Uint8Array, out: Float32Array, options: { accumulate: boolean; scale: number }): void;
}
