import type { Communicator } from "@cai/native";
import type { GradientCodec } from "@cai/squinch";
import type { BackwardObserver, Tape } from "../autograd/tape.js";
import type { Recipe } from "../config/recipe.js";
import type { ParameterStore } from "../model/parameter-store.js";
import { gather } from "./agreement.js";
import { bucketReduction } from "./bucket-reduction.js";
import { shareOf } from "./bucket-share.js";
import { planBuckets } from "./buckets.js";
import { codecOf } from "./codecs.js";
import { OverlappedExchange } from "./exchange.js";
import type { ExchangeState } from "./exchange-state.js";
import { type FlatRange, heldFor, lengthOf } from "./held-values.js";
import { gradientBytes, type Links, openLinks } from "./links.js";
import { ParameterSpread } from "./parameter-spread.js";
import { Residuals } from "./residuals.js";

/** What a step's exchange took on this rank. */
export interface ExchangeFigures {
  /** Bytes of gradients given to other ranks. */
  readonly bytesSent: number;
  /** Bytes of parameters given to other ranks, where the mode is `sharded`. */
  readonly parameterBytesSent: number;
  /** Time for which this rank waited for the exchange, not having anything left to compute. */
  readonly exposedMs: number;
}

/** What a rank tells the others before a step is made. */
export interface Finding {
  readonly loss: number;
  /** Of the gradient that this rank applies. */
  readonly sumOfSquares: number;
  readonly note: number;
}

/** What the ranks agree on before a step is made. */
export interface Agreement {
  /** Summed over ranks. */
  readonly loss: number;
  /** Of the whole gradient. */
  readonly sumOfSquares: number;
  /** Whether a rank had values that are not finite. */
  readonly skip: boolean;
  /** By rank. */
  readonly notes: readonly number[];
}

/** The part of the parameters that a rank steps for all. */
export interface Owned {
  readonly ranges: readonly FlatRange[];
  /** Their exact values, one range behind the other, where parameters travel rounded. */
  readonly masters?: Float32Array;
}

/** One rank's part in training with others: the exchange of gradients, and of the parameters that it owns. */
export class DataParallel {
  /** Absent where every rank steps everything. */
  readonly owned: Owned | undefined;
  readonly #communicator: Communicator;
  readonly #values: Float32Array;
  readonly #links: Links;
  readonly #exchange: OverlappedExchange;
  readonly #residuals: { readonly local: Residuals; readonly shard?: Residuals } | undefined;
  readonly #spread: ParameterSpread | undefined;
  #bytes = { gradients: 0, parameters: 0 };
  #exposedMs = 0;

  /**
   * Every rank must make its own at the same time; blocks.
   *
   * @param store its values are the same on every rank. @throws CaiError `E_CONFIG`, `E_COMM`.
   */
  constructor(store: ParameterStore, communicator: Communicator, recipe: Recipe, codec?: GradientCodec) {
    const settings = recipe.distributed;
    const sharded = settings.mode === "sharded";
    const links = openLinks(communicator, settings);
    this.#communicator = communicator;
    this.#values = store.values.data;
    this.#links = links;

    const uniform = codec ?? codecOf(settings);
    const buckets = planBuckets(store.groups(), settings.bucketMiB * 2 ** 18, () => uniform);
    const shares = buckets.map((bucket) => shareOf(bucket, links.topology, communicator.rank));
    const shards = shares.map(({ shard }) => shard);
    if (settings.errorFeedback && links.between) {
      const local = new Residuals(shares.map(({ part }) => part));
      this.#residuals = sharded ? { local } : { local, shard: new Residuals(shards) };
    }
    const reductions = buckets.map((bucket, number) => {
      const share = shares[number] as (typeof shares)[number];
      const { local, shard } = this.#residuals ?? {};
      const reduction = bucketReduction(store.grads.data, bucket, {
        links,
        rank: communicator.rank,
        share,
        sharded,
        seed: recipe.seed,
        number,
        local: local?.pairFor(share.part),
        shard: shard?.pairFor(share.shard),
      });
      return { bucket, reduction };
    });
    this.#exchange = new OverlappedExchange(store.grads.data, reductions);
    if (!sharded) return;

    const ranges = shards.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
    const masters = settings.parameterType === "bf16" ? new Float32Array(lengthOf(ranges)) : undefined;
    this.owned = { ranges, ...(masters && { masters }) };
    this.#spread = new ParameterSpread(this.#values, buckets, shards, links.parameters, {
      type: settings.parameterType,
      masterOf: masters && ((range) => heldFor({ ranges, values: masters }, range)),
    });
    this.adoptParameters();
  }

  /** Loss tokens of all ranks. Blocks. */
  totalOf(lossTokens: number): number {
    return gather(this.#communicator, [lossTokens]).reduce((sum, [tokens]) => sum + (tokens as number), 0);
  }

  /** Gets ready for the last backward pass of a step, which must tell the observer that is returned how far it has come. */
  begin(tape: Tape, step: number): BackwardObserver {
    this.#bytes = this.#bytesSoFar();
    this.#exposedMs = 0;
    this.#exchange.begin({ step, finalOrder: tape.finalOrder() });
    return this.#exchange;
  }

  /** Blocks until the gradients are exchanged: whole ones, or what this rank owns of them. */
  finish(): void {
    this.#wait(() => this.#exchange.finish());
  }

  /** Blocks until every rank has told its finding. Sums are in the order of ranks: the same everywhere. */
  agree(own: Finding): Agreement {
    const all = gather(this.#communicator, [own.loss, this.#exchange.nonFinite, own.sumOfSquares, own.note]);
    const each = (index: number) => all.map((numbers) => numbers[index] as number);
    const total = (index: number) => each(index).reduce((sum, number) => sum + number, 0);
    return {
      loss: total(0),
      skip: total(1) > 0,
      sumOfSquares: this.owned ? total(2) : own.sumOfSquares,
      notes: each(3),
    };
  }

  /** The step has been made: keeps what encodings lost, and spreads the parameters that owners have stepped. */
  commit(): void {
    this.#exchange.commit();
    this.#residuals?.local.commit();
    this.#residuals?.shard?.commit();
    const spread = this.#spread;
    if (spread) this.#wait(() => spread.run());
  }

  /** Of the step that is over. */
  figures(): ExchangeFigures {
    const now = this.#bytesSoFar();
    return {
      bytesSent: now.gradients - this.#bytes.gradients,
      parameterBytesSent: now.parameters - this.#bytes.parameters,
      exposedMs: this.#exposedMs,
    };
  }

  /** Takes the store's values as exact ones, the same on every rank; where they travel rounded, rounds them. Blocks. */
  adoptParameters(): void {
    const { masters, ranges = [] } = this.owned ?? {};
    if (!masters) return;
    for (const range of ranges) {
      heldFor({ ranges, values: masters }, range).set(this.#values.subarray(range.begin, range.end));
    }
    this.#spread?.run();
  }

  /** What this rank carries from step to step, the memory itself; undefined when that is nothing. */
  get state(): ExchangeState | undefined {
    const { local, shard } = this.#residuals ?? {};
    return local && { local: local.held, ...(shard && { shard: shard.held }) };
  }

  close(): void {
    this.#links.close();
  }

  #wait(action: () => void): void {
    const began = performance.now();
    action();
    this.#exposedMs += performance.now() - began;
  }

  #bytesSoFar() {
    return { gradients: gradientBytes(this.#links), parameters: this.#links.parameters.bytesSent };
  }
}
