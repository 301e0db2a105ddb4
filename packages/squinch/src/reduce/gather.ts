import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator, ReducePending } from "./communicator.js";
import { Encoder } from "./encoder.js";
import { shardLayout } from "./shards.js";
import { newScratch, parts, Stage, type StageOptions, scratchBytes } from "./stage.js";

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
  readonly #codec: GradientCodec;
  readonly #communicator: ReduceCommunicator;
  readonly #send: Uint8Array;
  readonly #receive: Uint8Array;
  readonly #received: readonly Uint8Array[];
  readonly #shards: readonly Float32Array[];
  readonly #decoding: { readonly accumulate: boolean; readonly scale: number };

  /** @param options.residual as long as this rank's shard. */
  constructor(
    values: Float32Array,
    communicator: ReduceCommunicator,
    codec: GradientCodec,
    options: GatherOptions = {},
  ) {
    super();
    const { rank, size } = communicator;
    const layout = shardLayout(values.length, size, codec.blockLength);
    const bytes = scratchBytes(values.length, size, codec);
    const scratch = options.scratch ?? newScratch(bytes);
    this.#shards = layout.ranges.map(({ begin, end }) => values.subarray(begin, end));
    const used = this.#shards.map(({ length }) => codec.bytes(length));
    const own = this.#shards[rank] as Float32Array;
    this.#codec = codec;
    this.#communicator = communicator;
    this.#send = scratch[0].subarray(0, bytes / size);
    this.#receive = scratch[1].subarray(0, bytes);
    this.#received = parts(this.#receive, bytes / size, used);
    this.#decoding = { accumulate: false, scale: options.scale ?? 1 };
    const target = this.#send.subarray(0, used[rank]);
    this.encoder = new Encoder(codec, rank, [options.source ?? own], [target], options);
  }

  complete(): void {
    this.#received.forEach((bytes, rank) => {
      const shard = this.#shards[rank] as Float32Array;
      if (shard.length > 0) this.#codec.decode(bytes, shard, this.#decoding);
    });
  }

  protected send(): ReducePending {
    return this.#communicator.allGather(this.#send, this.#receive);
  }
}
