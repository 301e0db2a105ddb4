import type { Communicator } from "@cai/native";
import type { GradientCodec } from "@cai/squinch";
import type { BackwardObserver, Tape } from "../autograd/tape.js";
import type { Recipe } from "../config/recipe.js";
import type { ParameterStore } from "../model/parameter-store.js";
import { gather } from "./agreement.js";
import { type BucketReduction, bucketReduction, type Keeper } from "./bucket-reduction.js";
import { type Bucket, planBuckets } from "./buckets.js";
import { codecOf } from "./codecs.js";
import { OverlappedExchange } from "./exchange.js";
import type { ExchangeState } from "./exchange-state.js";
import { gatherHeld } from "./gather-held.js";
import { type FlatRange, type HeldValues, lengthOf, redistribute, spreadOut, takeOut } from "./held-values.js";
import { gradientBytes, type Links, openLinks } from "./links.js";
import { ownedRanges, ParameterSpread } from "./parameter-spread.js";
import { shareOf } from "./shares.js";

/** What a step's exchange took on this rank. */
export interface ExchangeFigures {
  /** Bytes of gradients given to other ranks. */
  readonly bytesSent: number;
  /** Bytes of parameters given to other ranks, where the mode is `sharded`. */
  readonly parameterBytesSent: number;
  /** Time for which this rank waited for the exchange, not having anything left to compute. */
  readonly exposedMs: number;
}

/** What the ranks agree on before a step is made. */
export interface Agreement {
  /** Summed over ranks. */
  readonly loss: number;
  /** Of the gradient that is applied. */
  readonly sumOfSquares: number;
  /** Whether a rank had values that are not finite. */
  readonly skip: boolean;
}

/** One rank's part in training with others: gradients, residuals, and the parameters that it owns. */
export class DataParallel {
  readonly communicator: Communicator;
  readonly #store: ParameterStore;
  readonly #settings: Recipe["distributed"];
  readonly #links: Links;
  readonly #buckets: readonly Bucket[];
  readonly #reductions: readonly BucketReduction[];
  readonly #exchange: OverlappedExchange;
  readonly #spread: ParameterSpread | undefined;
  /** What this rank steps, in the `sharded` mode. */
  readonly owned: readonly FlatRange[] | undefined;
  /** Its exact values, where parameters travel rounded. */
  readonly masters: Float32Array | undefined;
  #bytes = { gradients: 0, parameters: 0 };
  #exposedMs = 0;

  /** Every rank must make its own at the same time; blocks. @throws CaiError `E_CONFIG`, `E_COMM`. */
  constructor(store: ParameterStore, communicator: Communicator, recipe: Recipe, codec?: GradientCodec) {
    const settings = recipe.distributed;
    const sharded = settings.mode === "sharded";
    const { rank } = communicator;
    const uniform = codec ?? codecOf(settings);
    this.communicator = communicator;
    this.#store = store;
    this.#settings = settings;
    this.#links = openLinks(communicator, settings);
    this.#buckets = planBuckets(store.groups(), settings.bucketMiB * 2 ** 18, () => uniform);
    this.#reductions = this.#buckets.map((bucket, number) =>
      bucketReduction(store.grads.data, bucket, this.#links, rank, {
        sharded,
        errorFeedback: settings.errorFeedback,
        seed: recipe.seed,
        number,
      }),
    );
    this.#exchange = new OverlappedExchange(store.grads.data, this.#reductions);
    if (!sharded) return;
    this.owned = this.#ownedBy(rank);
    if (settings.parameterType === "bf16") this.masters = new Float32Array(lengthOf(this.owned));
    this.#spread = new ParameterSpread(store.values.data, this.#buckets, this.#links, rank, {
      type: settings.parameterType,
      masterOf: (range) => this.#masterOf(range),
    });
    this.adoptParameters(store.values.data);
  }

  /** Loss tokens of all ranks. Blocks. */
  totalOf(lossTokens: number): number {
    return gather(this.communicator, [lossTokens]).reduce((sum, [tokens]) => sum + (tokens as number), 0);
  }

  /** Gets ready for the last backward pass of a step, which must be told to the observer that is returned. */
  begin(tape: Tape, step: number): BackwardObserver {
    this.#bytes = this.#bytesSoFar();
    this.#exposedMs = 0;
    this.#exchange.begin({ step, finalOrder: tape.finalOrder() });
    return this.#exchange;
  }

  /** How many buckets have begun to travel in this step, of how many. */
  get progress(): { readonly begun: number; readonly buckets: number } {
    return { begun: this.#exchange.begun, buckets: this.#buckets.length };
  }

  /** Blocks until the gradients are exchanged: whole ones, or what this rank owns of them. */
  finish(): void {
    this.#wait(() => this.#exchange.finish());
  }

  /** @param loss this rank's. @param sumOfSquares of the gradient that this rank applies. Blocks. */
  agree(loss: number, sumOfSquares: number): Agreement {
    const all = gather(this.communicator, [loss, this.#exchange.nonFinite, sumOfSquares]);
    const total = (index: number) => all.reduce((sum, numbers) => sum + (numbers[index] as number), 0);
    return { loss: total(0), skip: total(1) > 0, sumOfSquares: this.owned ? total(2) : sumOfSquares };
  }

  /** The step has been made: keeps what encodings lost, and spreads the parameters that owners have stepped. */
  commit(): void {
    this.#exchange.commit();
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

  /** Puts together, on every rank, what each rank holds for the ranges that it owns. Blocks. */
  gatherOwned(values: Float32Array): Float32Array {
    const flat = new Float32Array(this.#store.length);
    gatherHeld(this.communicator, (rank) => this.#ownedBy(rank), values, flat);
    return flat;
  }

  /** Takes exact parameter values over, the same on every rank, and rounds what all ranks compute with. Blocks. */
  adoptParameters(flat: Float32Array): void {
    if (!this.masters || !this.owned) {
      if (flat !== this.#store.values.data) this.#store.values.data.set(flat);
      return;
    }
    this.masters.set(takeOut(this.owned, flat).values);
    this.#spread?.run();
  }

  /** What this rank carries from step to step; undefined when that is nothing. */
  exchangeState(): ExchangeState | undefined {
    if (!this.#settings.errorFeedback) return undefined;
    return { local: heldBy(this.#keepers("local")), shard: heldBy(this.#keepers("shard")) };
  }

  /** See {@link redistribute}. @param states by rank, of a number of ranks that may be another. */
  restoreExchangeState(states: readonly ExchangeState[]): void {
    for (const kind of ["local", "shard"] as const) {
      const held = states.flatMap((state) => state[kind] ?? []);
      const keepers = this.#keepers(kind);
      if (keepers.length === 0) continue;
      const { rank, size } = this.communicator;
      const ranges = Array.from({ length: size }, (_, other) => this.#keptBy(kind, other));
      const flat = new Float32Array(this.#store.length);
      spreadOut(redistribute(held, ranges)[rank] as HeldValues, flat);
      for (const { range, stage } of keepers) stage.residual?.set(flat.subarray(range.begin, range.end));
    }
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

  #ownedBy(rank: number): FlatRange[] {
    return ownedRanges(this.#buckets, this.#links, rank);
  }

  #masterOf(range: FlatRange): Float32Array {
    if (!this.masters) return this.#store.values.data.subarray(range.begin, range.end);
    const before = (this.owned ?? []).filter(({ begin }) => begin < range.begin);
    const offset = lengthOf(before);
    return this.masters.subarray(offset, offset + range.end - range.begin);
  }

  #keepers(kind: "local" | "shard"): Keeper[] {
    const keepers = this.#reductions.flatMap((each) => each[kind] ?? []);
    return keepers.sort((a, b) => a.range.begin - b.range.begin);
  }

  #keptBy(kind: "local" | "shard", rank: number): FlatRange[] {
    const shares = this.#buckets.map((bucket) => shareOf(bucket, this.#links.topology, rank));
    const ranges = shares.map(({ part, shard }) => (kind === "local" ? part : shard));
    return ranges.sort((a, b) => a.begin - b.begin);
  }
}

function heldBy(keepers: readonly Keeper[]): HeldValues {
  const ranges = keepers.map(({ range }) => range);
  const values = new Float32Array(lengthOf(ranges));
  let offset = 0;
  for (const { stage } of keepers) {
    const residual = stage.residual as Float32Array;
    values.set(residual, offset);
    offset += residual.length;
  }
  return { ranges, values };
}
