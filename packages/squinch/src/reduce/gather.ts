import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator, ReducePending } from "./communicator.js";
import { Encoder } from "./encoder.js";
import { parts, Stage, type StageOptions } from "./stage.js";

export interface GatherOptions extends StageOptions {
  /** Multiplies every decoded value, as float32. Default 1. */
  scale?: number;
  /** What is sent, when that is not this rank's shard of the values. */
  source?: Float32Array;
}

/**
 * The second half of an exchange: every rank encodes its shard once, an all-gather spreads it, and `values` becomes what
 * all ranks' bytes decode to, on the owner as well: the same bits everywhere.
 */
export class Gather extends Stage {
  protected readonly encoder: Encoder;
  readonly #send: Uint8Array;
  readonly #received: readonly Uint8Array[];
  readonly #decoding: { readonly accumulate: boolean; readonly scale: number };

  /** @param options.residual as long as this rank's shard. */
  constructor(
    values: Float32Array,
    communicator: ReduceCommunicator,
    codec: GradientCodec,
    options: GatherOptions = {},
  ) {
    super(values, communicator, codec, options);
    const { rank } = communicator;
    this.#send = this.sendArea.subarray(0, this.partBytes);
    this.#received = parts(this.receiveArea, this.partBytes, this.shardBytes);
    this.#decoding = { accumulate: false, scale: options.scale ?? 1 };
    const source = options.source ?? (this.shards[rank] as Float32Array);
    this.encoder = new Encoder(codec, rank, [source], [this.#send.subarray(0, this.shardBytes[rank])], options);
  }

  complete(): void {
    this.#received.forEach((bytes, rank) => {
      const shard = this.shards[rank] as Float32Array;
      if (shard.length > 0) this.codec.decode(bytes, shard, this.#decoding);
    });
  }

  protected send(): ReducePending {
    return this.communicator.allGather(this.#send, this.receiveArea);
  }
}
