import type { GradientCodec } from "./codec.js";
import type { ReducePending } from "./communicator.js";
import type { Encoder, EncoderOptions } from "./encoder.js";
import { shardLength } from "./shards.js";

export interface StageOptions extends EncoderOptions {
  /** Two areas of {@link scratchBytes} for what travels; only used while the stage is under way. Default: new memory. */
  scratch?: Scratch;
}

export type Scratch = readonly [Uint8Array, Uint8Array];

/** One encoding and one collective operation over memory that is fixed beforehand. */
export abstract class Stage {
  /** How many values the last encoding could not send as they were, for not being finite. */
  nonFinite = 0;
  protected abstract readonly encoder: Encoder;
  #pending: ReducePending | undefined;

  /** Encodes, and begins the operation. @param step its number in the run, for the random numbers. */
  start(step: number): void {
    this.nonFinite = this.encoder.encode(step);
    this.#pending = this.send();
  }

  /** The operation on its way. */
  get pending(): ReducePending {
    if (!this.#pending) throw new Error("the stage has not been started");
    return this.#pending;
  }

  /** Decodes what came, once the operation is done. */
  abstract complete(): void;

  /** What earlier encodings have lost, where that is kept. */
  get residual(): Float32Array | undefined {
    return this.encoder.residual;
  }

  /** Keeps what the encoding has lost for the next step. */
  commit(): void {
    this.encoder.commit();
  }

  protected abstract send(): ReducePending;
}

/** Bytes of each of the two areas that a stage over n values of `size` ranks needs. */
export function scratchBytes(n: number, size: number, codec: GradientCodec): number {
  return size * codec.bytes(shardLength(n, size, codec.blockLength));
}

/** Memory that serves any one stage of up to `bytes`. */
export function newScratch(bytes: number): Scratch {
  return [new Uint8Array(bytes), new Uint8Array(bytes)];
}

/** Parts [i · length, i · length + used(i)) of an area. */
export function parts(area: Uint8Array, length: number, used: readonly number[]): Uint8Array[] {
  return used.map((bytes, i) => area.subarray(i * length, i * length + bytes));
}
