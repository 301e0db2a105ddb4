import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator, ReducePending } from "./communicator.js";
import { Encoder } from "./encoder.js";
import { parts, Stage, type StageOptions } from "./stage.js";

/**
 * The first half of an exchange: every rank encodes each shard of `values` for its owner, an all-to-all delivers them,
 * and this rank's own shard of `values` becomes the float32 sum of what all ranks sent, this one too, added in the order
 * of ranks. The other shards keep what they held.
 */
export class Scatter extends Stage {
  /** This rank's shard of the values. */
  readonly own: Float32Array;
  protected readonly encoder: Encoder;
  readonly #received: readonly Uint8Array[];

  /** @param options.residual as long as `values`. */
  constructor(
    values: Float32Array,
    communicator: ReduceCommunicator,
    codec: GradientCodec,
    options: StageOptions = {},
  ) {
    super(values, communicator, codec, options);
    const { rank, size } = communicator;
    this.own = this.shards[rank] as Float32Array;
    this.#received = parts(this.receiveArea, this.partBytes, new Array(size).fill(this.shardBytes[rank]));
    const targets = parts(this.sendArea, this.partBytes, this.shardBytes);
    this.encoder = new Encoder(codec, rank, this.shards, targets, options);
  }

  complete(): void {
    if (this.own.length === 0) return;
    this.#received.forEach((bytes, rank) => {
      this.codec.decode(bytes, this.own, rank === 0 ? overwrite : add);
    });
  }

  protected send(): ReducePending {
    return this.communicator.allToAll(this.sendArea, this.receiveArea);
  }
}

const overwrite = { accumulate: false, scale: 1 };
const add = { accumulate: true, scale: 1 };
