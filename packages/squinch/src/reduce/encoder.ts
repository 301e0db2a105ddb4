import type { EncodeContext, GradientCodec } from "./codec.js";
import { seedAt } from "./seed-at.js";

/** Two arrays that take turns: a step reads `current` and writes `next`. The same array may be both. */
export interface ResidualPair {
  current: Float32Array;
  next: Float32Array;
}

export interface EncoderOptions {
  /** Keeps what encodings lose for the next step; as long as the values. */
  residual?: ResidualPair | undefined;
  /** Seed of a stochastic rounding, 0 to 2⁵³ − 1. Default 0. */
  seed?: number;
  /** Number of the vector within a step, for its random numbers. Default 0. */
  bucket?: number;
  /** Number of this encoding of the vector, for its random numbers. Default 0. */
  phase?: number;
}

interface Piece {
  readonly values: Float32Array;
  readonly bytes: Uint8Array;
  readonly residual: Float32Array | undefined;
  readonly residualOut: Float32Array | undefined;
}

/** Encodes values in pieces, one for each receiver: always the same memory, so that a step allocates nothing. */
export class Encoder {
  readonly #codec: GradientCodec;
  readonly #place: { readonly rank: number; readonly bucket: number; readonly phase: number };
  readonly #seed: number;
  readonly #residual: ResidualPair | undefined;
  /** The views for the step in progress, and those for the one after it. */
  #pieces: readonly Piece[];
  #nextPieces: readonly Piece[];
  readonly #context: EncodeContext = { seed: 0, stream: 0 };

  /** @param values pieces that follow each other in `options.residual`. @param bytes where each goes. */
  constructor(
    codec: GradientCodec,
    rank: number,
    values: readonly Float32Array[],
    bytes: readonly Uint8Array[],
    options: EncoderOptions,
  ) {
    const { residual, seed = 0, bucket = 0, phase = 0 } = options;
    this.#codec = codec;
    this.#place = { rank, bucket, phase };
    this.#seed = seed;
    this.#residual = residual;
    const pieces = (from?: Float32Array, to?: Float32Array) => {
      let offset = 0;
      return values.map((piece, i) => {
        const part = (array?: Float32Array) => array?.subarray(offset, offset + piece.length);
        const made = { values: piece, bytes: bytes[i] as Uint8Array, residual: part(from), residualOut: part(to) };
        offset += piece.length;
        return made;
      });
    };
    this.#pieces = pieces(residual?.current, residual?.next);
    this.#nextPieces = pieces(residual?.next, residual?.current);
  }

  /** What earlier encodings have lost. */
  get residual(): Float32Array | undefined {
    return this.#residual?.current;
  }

  /** Encodes every piece. @returns how many values were not finite and could not be sent as they were. */
  encode(step: number): number {
    const context = this.#context;
    context.seed = seedAt(this.#seed, step, this.#place);
    let nonFinite = 0;
    this.#pieces.forEach(({ values, bytes, residual, residualOut }, index) => {
      if (values.length === 0) return;
      context.stream = index;
      context.residual = residual;
      context.residualOut = residualOut;
      nonFinite += this.#codec.encode(values, bytes, context).nonFinite;
    });
    return nonFinite;
  }

  /** Makes what the last encoding lost the residual of the next; without it, the next starts from the one before. */
  commit(): void {
    const residual = this.#residual;
    if (!residual) return;
    [residual.current, residual.next] = [residual.next, residual.current];
    [this.#pieces, this.#nextPieces] = [this.#nextPieces, this.#pieces];
  }
}
