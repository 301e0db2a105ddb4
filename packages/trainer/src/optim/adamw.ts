import { adamwStep, allocateAligned, type FloatTensor, floatTensor, sumOfSquares, tensorAt } from "@cai/native";
import type { Recipe } from "../config/recipe.js";
import { type FlatRange, lengthOf } from "../distributed/held-values.js";
import type { ParameterStore } from "../model/parameter-store.js";

/** What one optimiser step did. */
export interface StepOutcome {
  /** Euclidean norm of the whole gradient, before clipping. */
  readonly gradNorm: number;
  /** True when the gradient held a NaN or an infinity: nothing was changed. */
  readonly skipped: boolean;
}

export interface AdamWOptions {
  /** What this optimiser steps and has moments for; everything when absent. */
  ranges?: readonly FlatRange[];
  /** The values to step, for the ranges one behind the other; the store's own when absent. */
  masters?: Float32Array;
}

export interface AdamWStepOptions {
  /** Sum of squares of the whole gradient; that of this optimiser's ranges when absent. */
  sumOfSquares?: number;
  /** Leaves everything as it is, as for a gradient that is not finite. */
  skip?: boolean;
}

/** Tensors over a range that all decays or all does not. */
interface Piece {
  readonly values: FloatTensor;
  readonly grads: FloatTensor;
  readonly firstMoments: FloatTensor;
  readonly secondMoments: FloatTensor;
  readonly decay: boolean;
}

/** AdamW with decoupled decay and clipping by the global norm, over a parameter store or some ranges of it. */
export class AdamW {
  /** What it steps, in rising order. */
  readonly ranges: readonly FlatRange[];
  /** For the ranges, one behind the other. */
  readonly firstMoments: FloatTensor;
  readonly secondMoments: FloatTensor;
  readonly #settings: Recipe["optim"];
  readonly #pieces: readonly Piece[];
  /** Updates made so far: what the bias corrections count. */
  updates = 0;

  constructor(store: ParameterStore, settings: Recipe["optim"], options: AdamWOptions = {}) {
    this.ranges = options.ranges ?? [{ begin: 0, end: store.length }];
    this.#settings = settings;
    const length = lengthOf(this.ranges);
    const flat = () => tensorAt("float32", allocateAligned(length * 4), 0, [length]);
    this.firstMoments = flat();
    this.secondMoments = flat();
    let offset = 0;
    this.#pieces = this.ranges.flatMap((range) =>
      splitAt(range, store.decayedLength).map(({ begin, end }) => {
        const held = (data: Float32Array) => floatTensor(data.subarray(offset, offset + end - begin), [end - begin]);
        const own = (data: Float32Array) => floatTensor(data.subarray(begin, end), [end - begin]);
        const piece = {
          values: options.masters ? held(options.masters) : own(store.values.data),
          grads: own(store.grads.data),
          firstMoments: held(this.firstMoments.data),
          secondMoments: held(this.secondMoments.data),
          decay: begin < store.decayedLength,
        };
        offset += end - begin;
        return piece;
      }),
    );
  }

  /** Σ g² over the gradient of its ranges. */
  sumOfSquares(): number {
    return sumOfSquares(this.#pieces.map(({ grads }) => grads));
  }

  /** Applies the gradients in the store with learning rate `lr`. Decay is lr · weightDecay · parameter, matrices only. */
  step(lr: number, options: AdamWStepOptions = {}): StepOutcome {
    const { beta1, beta2, eps, weightDecay, gradClip } = this.#settings;
    const gradNorm = Math.sqrt(options.sumOfSquares ?? this.sumOfSquares());
    if (options.skip || !Number.isFinite(gradNorm)) return { gradNorm, skipped: true };
    this.updates++;
    const gradScale = gradClip > 0 && gradNorm > gradClip ? gradClip / gradNorm : 1;
    const common = { lr, beta1, beta2, eps, step: this.updates, gradScale };
    for (const { values, grads, firstMoments, secondMoments, decay } of this.#pieces) {
      adamwStep(values, grads, firstMoments, secondMoments, { ...common, weightDecay: decay ? weightDecay : 0 });
    }
    return { gradNorm, skipped: false };
  }
}

function splitAt({ begin, end }: FlatRange, cut: number): FlatRange[] {
  if (cut <= begin || cut >= end) return begin < end ? [{ begin, end }] : [];
  return [
    { begin, end: cut },
    { begin: cut, end },
  ];
}
