import { blockLength } from "../format.js";

/** How well a vector survives a code. A decibel is 10 · log10 of a ratio of squares: 20 dB is an error of a tenth. */
export interface Quality {
  /** Signal to quantisation noise: 10 · log10(Σ x² / Σ (x̂ − x)²); Infinity for no error, −Infinity for error without signal. */
  readonly snrDb: number;
  /** The same with every value in its own unit u: 10 · log10(Σ (x/u)² / Σ ((x̂ − x)/u)²); null where no units were given. */
  readonly adamSnrDb: number | null;
  /** Σ x·x̂ / Σ x²: below 1 where the code shrinks. 1 for no signal. Its inverse is not what `encode` sends as gain. */
  readonly gain: number;
  /** Exact zeros in live blocks, as a share of the values there. */
  readonly zeroShare: number;
  /** Blocks of eight that decode to zeros alone, as a share of all blocks. */
  readonly deadShare: number;
  /** How many values were compared. */
  readonly values: number;
}

/** Running sums of a comparison, in double precision. */
export class QualitySums {
  #signal = 0;
  #cross = 0;
  #noise = 0;
  #unitSignal = 0;
  #unitNoise = 0;
  #values = 0;
  #zeros = 0;
  #liveValues = 0;
  #blocks = 0;
  #deadBlocks = 0;

  /** Adds the first `length` values; the last block may be short. @param weights 1/u² of each value, where there are units. */
  add(x: Float32Array, decoded: Float32Array, weights: Float64Array | undefined, length: number): void {
    for (let start = 0; start < length; start += blockLength) {
      this.#addBlock(x, decoded, start, Math.min(start + blockLength, length));
    }
    if (weights) this.#addInUnits(x, decoded, weights, length);
  }

  #addBlock(x: Float32Array, decoded: Float32Array, start: number, end: number): void {
    let zeros = 0;
    let live = false;
    for (let i = start; i < end; i++) {
      const value = x[i] as number;
      const read = decoded[i] as number;
      const error = read - value;
      this.#signal += value * value;
      this.#cross += value * read;
      this.#noise += error * error;
      if (value === 0) zeros++;
      if (read !== 0) live = true;
    }
    this.#blocks++;
    this.#values += end - start;
    if (!live) {
      this.#deadBlocks++;
      return;
    }
    this.#zeros += zeros;
    this.#liveValues += end - start;
  }

  #addInUnits(x: Float32Array, decoded: Float32Array, weights: Float64Array, length: number): void {
    let signal = 0;
    let noise = 0;
    for (let i = 0; i < length; i++) {
      const value = x[i] as number;
      const error = (decoded[i] as number) - value;
      const weight = weights[i] as number;
      signal += weight * value * value;
      noise += weight * error * error;
    }
    this.#unitSignal += signal;
    this.#unitNoise += noise;
  }

  /** What the sums come to. @param inUnits whether weights were given. */
  quality(inUnits: boolean): Quality {
    return {
      snrDb: decibels(this.#signal, this.#noise),
      adamSnrDb: inUnits ? decibels(this.#unitSignal, this.#unitNoise) : null,
      gain: this.#signal > 0 ? this.#cross / this.#signal : 1,
      zeroShare: this.#liveValues > 0 ? this.#zeros / this.#liveValues : 0,
      deadShare: this.#blocks > 0 ? this.#deadBlocks / this.#blocks : 0,
      values: this.#values,
    };
  }
}

function decibels(signal: number, noise: number): number {
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}
