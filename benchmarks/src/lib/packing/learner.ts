import { type Batch, BatchLoader, evalBatches, evaluate, type Recipe, Trainer } from "@cai/trainer";
import { learningRate } from "@cai/trainer/parts";

/** A point of a curve: loss over a fixed part of the validation split. */
export interface LearningPoint {
  readonly tokens: number;
  readonly valLoss: number;
}

/**
 * A model that learns from about as many loss tokens in each step, however many of them its rows hold: a step takes
 * micro-batches until the run has had `step` times `tokensPerStep`.
 */
export class PackingLearner {
  readonly #recipe: Recipe;
  readonly #trainer: Trainer;
  readonly #loader: BatchLoader;
  readonly #tokensPerStep: number;
  #steps = 0;
  #tokens = 0;
  #positions = 0;

  constructor(recipe: Recipe, tokensPerStep: number) {
    const { data, batchSize, seed } = recipe;
    this.#recipe = recipe;
    this.#trainer = new Trainer(recipe);
    this.#loader = new BatchLoader({ ...data, batchSize, seed });
    this.#tokensPerStep = tokensPerStep;
  }

  get parameters(): number {
    return this.#trainer.numParameters;
  }

  /** Loss tokens so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Positions of rows computed so far. */
  get positions(): number {
    return this.#positions;
  }

  /** One optimiser step, its data read. @returns its loss tokens. */
  step(): number {
    this.#steps++;
    const before = this.#tokens;
    const batches: Batch[] = [];
    while (batches.length === 0 || this.#tokens < this.#steps * this.#tokensPerStep) {
      const batch = this.#loader.next();
      batches.push(batch);
      this.#tokens += batch.lossTokens;
      this.#positions += batch.tokens.length;
    }
    this.#trainer.step(batches, learningRate(this.#recipe, this.#steps));
    return this.#tokens - before;
  }

  /** Mean loss over the validation split, or some batches of it. */
  validate(maxBatches?: number): number {
    const { data, batchSize } = this.#recipe;
    const some = maxBatches === undefined ? {} : { maxBatches };
    return evaluate(this.#trainer, evalBatches({ dir: data.dir, seqLen: data.seqLen, batchSize, ...some })).loss;
  }

  close(): void {
    this.#loader.close();
    this.#trainer.close();
  }
}
