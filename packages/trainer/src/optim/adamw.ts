import { adamwStep, type FloatTensor, floatTensor, sumOfSquares } from "@cai/native";
import type { Recipe } from "../config/recipe.js";
import type { ParameterStore } from "../model/parameter-store.js";

/** What one optimiser step did. */
export interface StepOutcome {
  /** Euclidean norm of the whole gradient, before clipping. */
  readonly gradNorm: number;
  /** True when the gradient held a NaN or an infinity: nothing was changed. */
  readonly skipped: boolean;
}

/** AdamW with decoupled decay and clipping by the global norm, over a parameter store. */
export class AdamW {
  readonly #store: ParameterStore;
  readonly #settings: Recipe["optim"];
  /** Updates made so far: what the bias corrections count. */
  updates = 0;

  constructor(store: ParameterStore, settings: Recipe["optim"]) {
    this.#store = store;
    this.#settings = settings;
  }

  /** Applies the gradients in the store with learning rate `lr`. Decay is lr · weightDecay · parameter, matrices only. */
  step(lr: number): StepOutcome {
    const { grads, decayedLength } = this.#store;
    const { beta1, beta2, eps, weightDecay, gradClip } = this.#settings;
    const gradNorm = Math.sqrt(sumOfSquares([grads]));
    if (!Number.isFinite(gradNorm)) return { gradNorm, skipped: true };
    this.updates++;
    const gradScale = gradClip > 0 && gradNorm > gradClip ? gradClip / gradNorm : 1;
    const common = { lr, beta1, beta2, eps, step: this.updates, gradScale };
    const length = grads.data.length;
    this.#update(0, decayedLength, { ...common, weightDecay });
    this.#update(decayedLength, length, { ...common, weightDecay: 0 });
    return { gradNorm, skipped: false };
  }

  #update(begin: number, end: number, options: Parameters<typeof adamwStep>[4]): void {
    const { values, grads, firstMoments, secondMoments } = this.#store;
    const range = ({ data }: FloatTensor) => floatTensor(data.subarray(begin, end), [end - begin]);
    adamwStep(range(values), range(grads), range(firstMoments), range(secondMoments), options);
  }
}
