import { checkArray, checkLength } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import type { GradientCodec } from "./codec.js";
import type { ReduceCommunicator } from "./communicator.js";
import { Gather } from "./gather.js";
import { Reduction } from "./reduction.js";
import { Scatter } from "./scatter.js";
import { type Residual, shardLayout } from "./shards.js";
import { type SquinchCodecOptions, squinchCodec } from "./squinch-codec.js";
import { newScratch, scratchBytes } from "./stage.js";

export interface AllReduceOptions extends SquinchCodecOptions {
  /** Multiplies the sum, as float32: 1 / size for a mean. Default 1. */
  scale?: number;
  /** Error feedback, changed in place; see {@link createResidual}. Without, what encodings lose is lost. */
  residual?: Residual;
  /** Another way than Squinch of making bytes of values. */
  codec?: GradientCodec;
  /** Of stochastic rounding, 0 to 2⁵³ − 1; ranks draw apart by themselves. Default 0. */
  seed?: number;
  /** Number of the step, from 0 to 2³² − 1: give each its own, so that it draws its own random numbers. Default 0. */
  step?: number;
}

export interface AllReduceResult {
  /**
   * Values of this rank that were not finite and were saturated; where it is not 0 on some rank, the sum and the residuals
   * are no good, and the ranks should agree to leave the step out.
   */
  readonly nonFinite: number;
}

const op = "squinchAllReduce";

/** Error-feedback memory of one rank for a vector of n values: zeros. @param blockLength of another codec. */
export function createResidual(
  n: number,
  communicator: Pick<ReduceCommunicator, "rank" | "size">,
  blockLength = 8,
): Residual {
  const { begin, end } = ownShard(n, communicator, blockLength);
  return { local: new Float32Array(n), shard: new Float32Array(end - begin) };
}

/**
 * Makes `gradient`, on every rank, the sum over ranks multiplied by `scale`: Squinch bytes travel, sums are float32.
 *
 * Each rank encodes its values in shards, one for each rank; an all-to-all delivers them; each rank adds what came for its
 * shard in float32, in the order of ranks, and encodes the sum once; an all-gather spreads it. All ranks, the shard's owner
 * too, use what the bytes decode to: the same bits everywhere. With a single rank nothing is encoded.
 *
 * @param gradient as long on every rank; must not be touched before the promise is kept.
 * @param communicator calls of several all-reduces on one must not overlap.
 * @throws CaiError `E_ARGUMENT`, `E_SHAPE`; whatever the communicator throws. What is not finite is no error here, since
 * the other ranks would wait for this one: see {@link AllReduceResult.nonFinite}.
 */
export async function squinchAllReduce(
  gradient: Float32Array,
  communicator: ReduceCommunicator,
  options: AllReduceOptions = {},
): Promise<AllReduceResult> {
  const { scale = 1, residual, codec = squinchCodec(options), seed, step = 0 } = options;
  checkArray(gradient, "gradient", ["Float32Array"], op);
  if (!Number.isFinite(Math.fround(scale))) {
    throw new CaiError("E_ARGUMENT", op, `scale must be a finite float32, got ${scale}`);
  }
  const factor = Math.fround(scale);
  const { rank, size } = communicator;
  if (residual) checkResidual(residual, gradient.length, ownShard(gradient.length, { rank, size }, codec.blockLength));
  if (size === 1) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] as number) * factor;
    return { nonFinite: 0 };
  }
  const both = (array?: Float32Array) => array && { current: array, next: array };
  const scratch = newScratch(scratchBytes(gradient.length, size, codec));
  const common = { scratch, ...(seed !== undefined && { seed }) };
  const reduction = new Reduction([
    new Scatter(gradient, communicator, codec, { ...common, residual: both(residual?.local) }),
    new Gather(gradient, communicator, codec, { ...common, residual: both(residual?.shard), phase: 1, scale }),
  ]);
  await reduction.run(step);
  return { nonFinite: reduction.nonFinite };
}

function ownShard(n: number, { rank, size }: Pick<ReduceCommunicator, "rank" | "size">, blockLength: number) {
  return shardLayout(n, size, blockLength).ranges[rank] as { begin: number; end: number };
}

function checkResidual({ local, shard }: Residual, n: number, own: { begin: number; end: number }): void {
  checkArray(local, "residual.local", ["Float32Array"], op);
  checkArray(shard, "residual.shard", ["Float32Array"], op);
  checkLength(local, "residual.local", n, "one for each value of gradient", op);
  checkLength(shard, "residual.shard", own.end - own.begin, "one for each value of this rank's shard", op);
}
