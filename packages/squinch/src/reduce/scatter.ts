import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator, ReducePending } from "./communicator.js";
import { Encoder } from "./encoder.js";
import { shardLayout } from "./shards.js";
import { newScratch, parts, Stage, type StageOptions, scratchBytes } from "./stage.js";

/**
 * The first half of an exchange: every rank encodes each shard of `values` for its owner, an all-to-all delivers them,
 * and this rank's own shard of `values` becomes the float32 sum of what all ranks sent, this one too, added in the order
 * of ranks. The other shards keep what they held.
 */
export class Scatter extends Stage {
  /** This rank's shard of the values. */
  readonly own: Float32Array;
  protected readonly encoder: Encoder;
  readonly #codec: GradientCodec;
  readonly #communicator: ReduceCommunicator;
  readonly #send: Uint8Array;
  readonly #receive: Uint8Array;
  readonly #received: readonly Uint8Array[];

  /** @param options.residual as long as `values`. */
  constructor(
    values: Float32Array,
    communicator: ReduceCommunicator,
    codec: GradientCodec,
    options: StageOptions = {},
  ) {
    super();
    const { rank, size } = communicator;
    const layout = shardLayout(values.length, size, codec.blockLength);
    const shards = layout.ranges.map(({ begin, end }) => values.subarray(begin, end));
    const bytes = scratchBytes(values.length, size, codec);
    const scratch = options.scratch ?? newScratch(bytes);
    const used = shards.map(({ length }) => codec.bytes(length));
    this.#codec = codec;
    this.#communicator = communicator;
    this.#send = scratch[0].subarray(0, bytes);
    this.#receive = scratch[1].subarray(0, bytes);
    this.own = shards[rank] as Float32Array;
    this.#received = parts(this.#receive, bytes / size, new Array(size).fill(used[rank]));
    this.encoder = new Encoder(codec, rank, shards, parts(this.#send, bytes / size, used), options);
  }

  complete(): void {
    if (this.own.length === 0) return;
    this.#received.forEach((bytes, rank) => {
      this.#codec.decode(bytes, this.own, rank === 0 ? overwrite : add);
    });
  }

  protected send(): ReducePending {
    return this.#communicator.allToAll(this.#send, this.#receive);
  }
}

const overwrite = { accumulate: false, scale: 1 };
const add = { accumulate: true, scale: 1 };
