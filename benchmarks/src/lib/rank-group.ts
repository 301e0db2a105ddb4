import type { MicroBatch, Recipe } from "@cai/trainer";
import { AdamW, Arena, type ParameterStore, Tape } from "@cai/trainer/parts";

/** What a group trains: anything with a parameter store and a loss whose gradient the tape knows. */
export interface LearningModel {
  readonly parameters: ParameterStore;
  /** Weighted sum of the cross-entropy in nats over targets that are not −1. */
  loss(tape: Tape, batch: MicroBatch, gradScale: number): number;
}

/** Sums the ranks' gradients, in place: afterwards every one of them holds what its rank decoded. */
export type Exchange = (gradients: readonly Float32Array[]) => void;

export interface RankGroupOptions {
  readonly optim: Recipe["optim"];
  readonly ranks: number;
  readonly exchange: Exchange;
}

/**
 * Data-parallel training as several ranks do it, in one process: each has a gradient of its own, and since all step on the
 * same decoded bytes, one copy of the parameters stands for all.
 */
export class RankGroup {
  readonly #model: LearningModel;
  readonly #optim: Recipe["optim"];
  readonly #optimizer: AdamW;
  readonly #exchange: Exchange;
  readonly #arena = new Arena();
  readonly #gradients: readonly Float32Array[];

  constructor(model: LearningModel, { optim, ranks, exchange }: RankGroupOptions) {
    const { length } = model.parameters.grads.data;
    this.#model = model;
    this.#optim = optim;
    this.#optimizer = new AdamW(model.parameters, optim);
    this.#exchange = exchange;
    this.#gradients = Array.from({ length: ranks }, () => new Float32Array(length));
  }

  /** One step on a micro-batch a rank. @returns the mean loss over all loss tokens. */
  step(microBatches: readonly MicroBatch[], lr: number): number {
    const loss = this.#computeGradients(microBatches);
    this.#exchange(this.#gradients);
    this.#model.parameters.grads.data.set(this.#gradients[0] as Float32Array);
    this.#optimizer.step(lr);
    return loss;
  }

  /** √v̂ + eps: what Adam divided each value's mean by in the last step. */
  adamUnit(): Float32Array {
    const { beta2, eps } = this.#optim;
    const correction = 1 - beta2 ** this.#optimizer.updates;
    return this.#optimizer.secondMoments.data.map((v) => Math.sqrt(v / correction) + eps);
  }

  /** Mean loss over batches, which change nothing. */
  evaluate(batches: Iterable<MicroBatch>): number {
    let [nats, tokens] = [0, 0];
    for (const batch of batches) {
      nats += this.#model.loss(new Tape(this.#arena, { recording: false }), batch, 0);
      this.#arena.reset();
      tokens += batch.lossTokens;
    }
    return nats / tokens;
  }

  /** Each rank's share of the gradient of the mean loss. @returns that loss. */
  #computeGradients(microBatches: readonly MicroBatch[]): number {
    if (microBatches.length !== this.#gradients.length) {
      throw new RangeError(
        `expected a micro-batch for each of ${this.#gradients.length} ranks, got ${microBatches.length}`,
      );
    }
    const lossWeight = microBatches.reduce((sum, batch) => sum + batch.lossWeight, 0);
    const grads = this.#model.parameters.grads.data;
    let loss = 0;
    microBatches.forEach((batch, rank) => {
      grads.fill(0);
      const tape = new Tape(this.#arena, { recording: true });
      loss += this.#model.loss(tape, batch, 1 / lossWeight);
      tape.backward();
      (this.#gradients[rank] as Float32Array).set(grads);
    });
    return loss / lossWeight;
  }
}
