import type { Communicator } from "@cai/native";
import { bf16Codec, float32Codec, Gather, type GradientCodec, Reduction, ReductionQueue } from "@cai/squinch";
import type { FlatRange } from "./held-values.js";

export interface SpreadOptions {
  readonly type: "float32" | "bf16";
  /** Of the gradients' codec. */
  readonly blockLength: number;
  /** The owner's exact values of a range, where what travels is rounded. */
  readonly masterOf: ((range: FlatRange) => Float32Array) | undefined;
}

/** Spreads what the owners of shards have stepped to all ranks. */
export class ParameterSpread {
  readonly #queue: ReductionQueue;
  readonly #count: number;

  /** @param shards of this rank by bucket. */
  constructor(
    values: Float32Array,
    buckets: readonly FlatRange[],
    shards: readonly FlatRange[],
    communicator: Communicator,
    { type, blockLength, masterOf }: SpreadOptions,
  ) {
    // The shards are those of the gradients.
    const codec: GradientCodec = { ...(type === "bf16" ? bf16Codec : float32Codec), blockLength };
    const reductions = buckets.map(({ begin, end }, i) => {
      const source = masterOf?.(shards[i] as FlatRange);
      const options = source ? { source } : {};
      return new Reduction([new Gather(values.subarray(begin, end), communicator, codec, options)]);
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
