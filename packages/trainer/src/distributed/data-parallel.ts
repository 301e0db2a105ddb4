import type { Communicator } from "@cai/native";
import type { GradientCodec } from "@cai/squinch";
import type { BackwardObserver, Tape } from "../autograd/tape.js";
import type { Recipe } from "../config/recipe.js";
import type { ParameterGroup, ParameterStore } from "../model/parameter-store.js";
import { gather } from "./agreement.js";
import { bucketReduction } from "./bucket-reduction.js";
import { type Share, shareOf } from "./bucket-share.js";
import { planBuckets } from "./buckets.js";
import { CodecPolicy, type MeasuredQuality } from "./codec-policy.js";
import { codecOf } from "./codecs.js";
import { OverlappedExchange } from "./exchange.js";
import type { ExchangeState } from "./exchange-state.js";
import { type FlatRange, type HeldValues, heldFor, heldWithin, lengthOf } from "./held-values.js";
import { gradientBytes, type Links, openLinks } from "./links.js";
import { ParameterSpread } from "./parameter-spread.js";
import { Residuals } from "./residuals.js";

/** What a step's exchange took on this rank. */
export interface ExchangeFigures {
  /** Bytes of gradients given to other ranks; with two levels, inside the node and between nodes. */
  readonly bytesSent: number;
  /** Bytes of parameters given to other ranks, where the mode is `sharded`. */
  readonly parameterBytesSent: number;
  /** Time for which this rank waited for the exchange, not having anything left to compute. */
  readonly exposedMs: number;
  /** What codebooks do to this step's gradients, where the recipe's policy had it measured; on the first rank only. */
  readonly quality?: MeasuredQuality;
}

/** What a step's loss is summed over. */
export interface LossSize {
  readonly lossTokens: number;
  /** What the sum is divided by. */
  readonly lossWeight: number;
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

/** A bucket and this rank's share of it. */
interface Portion {
  readonly bucket: FlatRange;
  readonly share: Share;
}

/** One rank's part in training with others: the exchange of gradients, and of the parameters that it owns. */
export class DataParallel {
  /** Absent where every rank steps everything. */
  readonly owned: Owned | undefined;
  readonly #communicator: Communicator;
  readonly #store: ParameterStore;
  readonly #recipe: Recipe;
  readonly #links: Links;
  readonly #portions: readonly Portion[];
  readonly #residuals: { readonly local: Residuals; readonly shard?: Residuals } | undefined;
  readonly #spread: ParameterSpread | undefined;
  /** The codec of all buckets, unless there is a policy. */
  readonly #codec: GradientCodec;
  readonly #policy: CodecPolicy | undefined;
  #exchange: OverlappedExchange;
  #isMeasured = false;
  #quality: MeasuredQuality | undefined;
  #bytes = { gradients: 0, parameters: 0 };
  #exposedMs = 0;

  /**
   * Every rank must make its own at the same time; blocks.
   *
   * @param store its values are the same on every rank. @param codec instead of the recipe's.
   * @throws CaiError `E_CONFIG`, `E_COMM`.
   */
  constructor(store: ParameterStore, communicator: Communicator, recipe: Recipe, codec?: GradientCodec) {
    const settings = recipe.distributed;
    const groups = store.groups();
    this.#communicator = communicator;
    this.#store = store;
    this.#recipe = recipe;
    this.#links = openLinks(communicator, settings);
    this.#codec = codec ?? codecOf(settings);
    this.#policy = settings.policy === "measured" && !codec ? new CodecPolicy(groups, recipe) : undefined;

    const { blockLength } = this.#codec;
    const kindOf = this.#policy && ((group: ParameterGroup) => (this.#policy as CodecPolicy).kindOf(group));
    this.#portions = planBuckets(groups, settings.bucketMiB * 2 ** 18, kindOf).map((bucket) => ({
      bucket,
      share: shareOf(bucket, this.#links.topology, communicator.rank, blockLength),
    }));
    const shards = this.#portions.map(({ share }) => share.shard);
    const sharded = settings.mode === "sharded";
    if (settings.errorFeedback && this.#links.between) {
      const local = new Residuals(this.#portions.map(({ share }) => share.part));
      this.#residuals = sharded ? { local } : { local, shard: new Residuals(shards) };
    }
    this.#exchange = this.#newExchange();
    if (!sharded) return;

    const ranges = shards.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
    const masters = settings.parameterType === "bf16" ? new Float32Array(lengthOf(ranges)) : undefined;
    this.owned = { ranges, ...(masters && { masters }) };
    const buckets = this.#portions.map(({ bucket }) => bucket);
    this.#spread = new ParameterSpread(store.values.data, buckets, shards, this.#links.parameters, {
      type: settings.parameterType,
      blockLength,
      masterOf: masters && ((range) => heldFor({ ranges, values: masters }, range)),
    });
    this.adopt();
  }

  /** What the steps' losses of all ranks come to. Blocks. */
  totalOf({ lossTokens, lossWeight }: LossSize): LossSize {
    const all = gather(this.#communicator, [lossTokens, lossWeight]);
    const total = (index: number) => all.reduce((sum, numbers) => sum + (numbers[index] as number), 0);
    return { lossTokens: total(0), lossWeight: total(1) };
  }

  /**
   * Gets ready for the last backward pass of a step, which must tell the observer that is returned how far it has come.
   *
   * @param updates steps made so far.
   */
  begin(tape: Tape, updates: number): BackwardObserver {
    this.#bytes = this.#bytesSoFar();
    this.#exposedMs = 0;
    this.#quality = undefined;
    this.#policy?.forget();
    this.#isMeasured = this.#policy?.isDue(updates) ?? false;
    this.#exchange.begin({ step: updates, finalOrder: tape.finalOrder() });
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

  /**
   * The step has been made: keeps what encodings lost, spreads the parameters that owners have stepped, and chooses the
   * codecs of the next steps where they are due.
   *
   * @param secondMoments what this rank has of them.
   */
  commit(secondMoments: HeldValues): void {
    this.#exchange.commit();
    this.#residuals?.local.commit();
    this.#residuals?.shard?.commit();
    const spread = this.#spread;
    if (spread) this.#wait(() => spread.run());
    if (this.#policy && this.#isMeasured) this.#choose(this.#policy, secondMoments);
  }

  /** Of the step that is over. */
  figures(): ExchangeFigures {
    const now = this.#bytesSoFar();
    return {
      bytesSent: now.gradients - this.#bytes.gradients,
      parameterBytesSent: now.parameters - this.#bytes.parameters,
      exposedMs: this.#exposedMs,
      ...(this.#quality && { quality: this.#quality }),
    };
  }

  /**
   * Takes the store's values as exact ones, the same on every rank; where they travel rounded, rounds them. Blocks.
   *
   * @param codecs the codec by tensor name, where they are measured. @throws CaiError `E_FORMAT`.
   */
  adopt(codecs?: Readonly<Record<string, string>>): void {
    if (this.#policy && codecs) {
      this.#policy.codecs = codecs;
      this.#exchange = this.#newExchange();
    }
    const { masters, ranges = [] } = this.owned ?? {};
    if (!masters) return;
    for (const range of ranges) {
      heldFor({ ranges, values: masters }, range).set(this.#store.values.data.subarray(range.begin, range.end));
    }
    this.#spread?.run();
  }

  /** What this rank carries from step to step, the memory itself; undefined when that is nothing. */
  get state(): ExchangeState | undefined {
    const { local, shard } = this.#residuals ?? {};
    if (!local && !this.#policy) return undefined;
    return {
      ...(local && { local: local.held }),
      ...(shard && { shard: shard.held }),
      ...(this.#policy && { codecs: this.#policy.codecs }),
    };
  }

  close(): void {
    this.#links.close();
  }

  /** Residuals stay where they are. */
  #newExchange(): OverlappedExchange {
    const { seed, distributed } = this.#recipe;
    const { rank } = this.#communicator;
    const gradient = this.#store.grads.data;
    const sharded = distributed.mode === "sharded";
    const reductions = this.#portions.map(({ bucket, share }, number) => {
      const { local, shard } = this.#residuals ?? {};
      const reduction = bucketReduction(gradient, bucket, {
        links: this.#links,
        rank,
        share,
        codec: this.#policy?.codecOf(bucket) ?? this.#codec,
        sharded,
        seed,
        number,
        local: local?.pairFor(share.part),
        shard: shard?.pairFor(share.shard),
      });
      return { bucket, reduction };
    });
    const shardOf = new Map(this.#portions.map(({ bucket, share }) => [bucket, share.shard]));
    return new OverlappedExchange(gradient, reductions, (bucket) => {
      // Of what others step, this rank has no moments to compare with.
      const known = sharded ? (shardOf.get(bucket) as FlatRange) : bucket;
      if (this.#isMeasured && rank === 0) this.#policy?.sample(known, gradient);
    });
  }

  /** All ranks follow the first one's choice. */
  #choose(policy: CodecPolicy, secondMoments: HeldValues): void {
    let choice: Uint8Array = new Uint8Array(policy.numGroups);
    if (this.#communicator.rank === 0) {
      this.#quality = policy.measure((range) => heldWithin(secondMoments, range));
      choice = policy.choose(this.#quality);
    }
    this.#communicator.broadcast(choice, 0).wait();
    if (policy.follow(choice)) this.#exchange = this.#newExchange();
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
