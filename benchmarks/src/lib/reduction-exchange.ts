import {
  bf16Codec,
  float32Codec,
  Gather,
  type GradientCodec,
  Reduction,
  Scatter,
  shardLayout,
  squinchCodec,
} from "@cai/squinch";
import { int4Codec } from "./int4-codec.js";
import { memoryGroup } from "./memory-group.js";
import type { Exchange } from "./rank-group.js";

const codecs = {
  float32: float32Codec,
  bf16: bf16Codec,
  squinch: squinchCodec(),
  squinchFeedback: squinchCodec(),
  squinchAdam: squinchCodec({ codebook: "adam" }),
  squinchStochastic: squinchCodec({ rounding: "stochastic" }),
  int4: int4Codec,
} satisfies Record<string, GradientCodec>;

/** Ways to send gradients, as the benches name them. */
export type ExchangeName = keyof typeof codecs;

export interface ExchangeOptions {
  readonly ranks: number;
  /** Values of a gradient. */
  readonly length: number;
  /** Of stochastic rounding. */
  readonly seed: number;
}

/** The exchange that ranks of their own make, each with its own reduction, in one thread. */
export function reductionExchange(name: ExchangeName, { ranks, length, seed }: ExchangeOptions): Exchange {
  const codec: GradientCodec = codecs[name];
  const memory = (values: number) => {
    if (name !== "squinchFeedback") return {};
    const residual = new Float32Array(values);
    return { residual: { current: residual, next: residual } };
  };
  const values = Array.from({ length: ranks }, () => new Float32Array(length));
  const { ranges } = shardLayout(length, ranks, codec.blockLength);
  const reductions = memoryGroup(ranks).map((communicator, rank) => {
    const own = values[rank] as Float32Array;
    const { begin, end } = ranges[rank] as { begin: number; end: number };
    return new Reduction([
      new Scatter(own, communicator, codec, { seed, ...memory(length) }),
      new Gather(own, communicator, codec, { seed, phase: 1, ...memory(end - begin) }),
    ]);
  });
  let step = 0;
  return (gradients) => {
    step++;
    gradients.forEach((gradient, rank) => {
      values[rank]?.set(gradient);
    });
    for (const reduction of reductions) reduction.start(step);
    while (!reductions.every(({ finished }) => finished)) {
      for (const reduction of reductions) reduction.advance();
    }
    gradients.forEach((gradient, rank) => {
      gradient.set(values[rank] as Float32Array);
    });
  };
}
