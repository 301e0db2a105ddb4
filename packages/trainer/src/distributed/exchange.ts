import { type Reduction, ReductionQueue } from "@cai/squinch";
import type { BackwardObserver, Parameter } from "../autograd/tape.js";
import type { FlatRange } from "./held-values.js";

/** What the exchange needs to know of a step before its last backward pass. */
export interface ExchangeStep {
  /** Its number in the run, for the random numbers. */
  readonly step: number;
  /** Parameters whose gradients the pass still changes, in the order in which it finishes them. */
  readonly finalOrder: readonly Parameter[];
}

/** A bucket and how it is exchanged. */
export interface BucketReduction {
  readonly bucket: FlatRange;
  readonly reduction: Reduction;
}

/** The order of a step's exchange: the same in every step, since every step runs the same model. */
interface Plan {
  readonly queue: ReductionQueue;
  readonly order: readonly FlatRange[];
  /** How many parameters each bucket waits for, in the order of the queue. */
  readonly waitsFor: readonly number[];
  readonly bucketsOf: ReadonlyMap<Parameter, readonly number[]>;
}

/** Exchanges gradients bucket by bucket, each as soon as the last backward pass has finished it. */
export class OverlappedExchange implements BackwardObserver {
  readonly #buckets: readonly BucketReduction[];
  readonly #onBegin: ((bucket: FlatRange) => void) | undefined;
  readonly #gradient: Float32Array;
  #plan: Plan | undefined;
  #missing: number[] = [];
  #step = 0;

  /**
   * @param gradient the flat memory that the buckets lie in.
   * @param onBegin sees each bucket when it is finished, before anything of it is exchanged.
   */
  constructor(gradient: Float32Array, buckets: readonly BucketReduction[], onBegin?: (bucket: FlatRange) => void) {
    this.#gradient = gradient;
    this.#onBegin = onBegin;
    this.#buckets = buckets;
  }

  /** How many buckets have begun in this step. */
  get begun(): number {
    return this.#plan?.queue.begun ?? 0;
  }

  /** How many values this rank could not send as they were in this step, for not being finite. */
  get nonFinite(): number {
    return this.#plan?.queue.nonFinite ?? 0;
  }

  /** Comes before the last backward pass of a step. */
  begin({ step, finalOrder }: ExchangeStep): void {
    this.#plan ??= this.#planFor(finalOrder);
    this.#step = step;
    this.#missing = [...this.#plan.waitsFor];
    this.#plan.queue.reset();
    this.#beginReady();
  }

  onFinal(parameter: Parameter): void {
    for (const bucket of this.#plan?.bucketsOf.get(parameter) ?? []) (this.#missing[bucket] as number)--;
    this.#beginReady();
  }

  onProgress(): void {
    this.#plan?.queue.poll();
  }

  /** Blocks until every bucket holds the exchanged gradient. @throws CaiError `E_COMM`. */
  finish(): void {
    this.#plan?.queue.finish();
  }

  /** Keeps what the encodings of this step have lost for the next one. */
  commit(): void {
    this.#plan?.queue.commit();
  }

  #beginReady(): void {
    const { queue, order } = this.#plan as Plan;
    while (queue.begun < this.#missing.length && this.#missing[queue.begun] === 0) {
      this.#onBegin?.(order[queue.begun] as FlatRange);
      queue.beginNext(this.#step);
    }
  }

  #planFor(finalOrder: readonly Parameter[]): Plan {
    const places = finalOrder.map(({ grad }) => this.#placeOf(grad.data));
    const lastOf = ({ bucket }: BucketReduction) => places.findLastIndex((place) => overlap(place, bucket));
    const order = [...this.#buckets].sort((a, b) => lastOf(a) - lastOf(b));
    return {
      queue: new ReductionQueue(order.map(({ reduction }) => reduction)),
      order: order.map(({ bucket }) => bucket),
      waitsFor: order.map(({ bucket }) => places.filter((place) => overlap(place, bucket)).length),
      bucketsOf: new Map(
        finalOrder.map((parameter, i) => [
          parameter,
          order.flatMap(({ bucket }, index) => (overlap(places[i] as FlatRange, bucket) ? [index] : [])),
        ]),
      ),
    };
  }

  #placeOf(grad: Float32Array): FlatRange {
    const begin = (grad.byteOffset - this.#gradient.byteOffset) / 4;
    return { begin, end: begin + grad.length };
  }
}

function overlap(a: FlatRange, b: FlatRange): boolean {
  return a.begin < b.end && b.begin < a.end;
}
