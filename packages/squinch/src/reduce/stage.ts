import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator, ReducePending } from "./communicator.js";
import type { Encoder, EncoderOptions } from "./encoder.js";
import { shardLayout, shardLength } from "./shards.js";

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
  protected readonly codec: GradientCodec;
  protected readonly communicator: ReduceCommunicator;
  /** Every rank's shard of the values, and how many bytes it is encoded in. */
  protected readonly shards: readonly Float32Array[];
  protected readonly shardBytes: readonly number[];
  /** Room for every shard, one after the other: {@link partBytes} for each. */
  protected readonly sendArea: Uint8Array;
  protected readonly receiveArea: Uint8Array;
  protected readonly partBytes: number;
  #pending: ReducePending | undefined;

  constructor(
    values: Float32Array,
    communicator: ReduceCommunicator,
    codec: GradientCodec,
    { scratch }: Pick<StageOptions, "scratch">,
  ) {
    const { size } = communicator;
    const bytes = scratchBytes(values.length, size, codec);
    const [send, receive] = scratch ?? newScratch(bytes);
    const { ranges } = shardLayout(values.length, size, codec.blockLength);
    this.codec = codec;
    this.communicator = communicator;
    this.shards = ranges.map(({ begin, end }) => values.subarray(begin, end));
    this.shardBytes = this.shards.map(({ length }) => codec.bytes(length));
    this.sendArea = send.subarray(0, bytes);
    this.receiveArea = receive.subarray(0, bytes);
    this.partBytes = bytes / size;
  }

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
