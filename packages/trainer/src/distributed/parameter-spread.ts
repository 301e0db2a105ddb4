import type { Communicator } from "@cai/native";
import { bf16Codec, float32Codec, Gather, type GradientCodec, Reduction, ReductionQueue } from "@cai/squinch";
import type { Bucket } from "./buckets.js";
import type { FlatRange } from "./held-values.js";

/** Spreads what the owners of shards have stepped to all ranks. */
export class ParameterSpread {
  readonly #queue: ReductionQueue;
  readonly #count: number;

  /**
   * @param shards of this rank by bucket. @param masterOf the owner's exact values of a range, where what travels is
   * rounded.
   */
  constructor(
    values: Float32Array,
    buckets: readonly Bucket[],
    shards: readonly FlatRange[],
    communicator: Communicator,
    { type, masterOf }: { type: "float32" | "bf16"; masterOf: ((range: FlatRange) => Float32Array) | undefined },
  ) {
    const plain = type === "bf16" ? bf16Codec : float32Codec;
    const reductions = buckets.map(({ begin, end, codec }, i) => {
      const source = masterOf?.(shards[i] as FlatRange);
      // The shards are those of the gradients.
      const sameShards: GradientCodec = { ...plain, blockLength: codec.blockLength };
      const options = source ? { source } : {};
      return new Reduction([new Gather(values.subarray(begin, end), communicator, sameShards, options)]);
    });
    this.#queue = new ReductionQueue(reductions);
    this.#count = reductions.length;
  }

  /** Blocks until every rank's values are those of the owners. @throws CaiError `E_COMM`. */
  run(): void {
    this.#queue.reset();
    for (let i = 0; i < this.#count; i++) this.#queue.beginNext(0);
    this.#queue.finish();
  }
}
