import { availableParallelism } from "node:os";
import { CaiError, type Communicator, type FloatTensor, setThreads } from "@cai/native";
import type { GradientCodec } from "@cai/squinch";
import { Arena } from "./autograd/arena.js";
import { Tape } from "./autograd/tape.js";
import type { Recipe } from "./config/recipe.js";
import type { ExchangeState } from "./distributed/exchange-state.js";
import { Transformer } from "./model/transformer.js";
import { AdamW, type StepOutcome } from "./optim/adamw.js";

/** One micro-batch: B rows of T tokens with their targets; a target of −1 carries no loss. */
export interface MicroBatch {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  /** Targets that carry a loss. */
  readonly lossTokens: number;
}

export interface StepResult extends StepOutcome {
  /** Mean cross-entropy over the loss tokens of the step, those of all ranks, in nats. */
  readonly loss: number;
  /** Loss tokens of the step on all ranks. */
  readonly lossTokens: number;
  /** Absent with a single rank. */
  readonly exchange?: ExchangeFigures;
}

/** What a step's exchange took on this rank. */
export interface ExchangeFigures {
  /** Bytes of gradients given to other ranks. */
  readonly bytesSent: number;
  /** Bytes of parameters given to other ranks, where the mode is `sharded`. */
  readonly parameterBytesSent: number;
  /** Time that this rank waited for others, not having anything left to compute. */
  readonly exposedMs: number;
}

/** Parameters and moments as whole tensors by name, in float32. */
export interface FullState {
  readonly parameters: Map<string, FloatTensor>;
  readonly firstMoments: Map<string, FloatTensor>;
  readonly secondMoments: Map<string, FloatTensor>;
}

export interface TrainerOptions {
  /** Starting values by tensor name, instead of random ones; every parameter must be there with its shape. */
  initialWeights?: ReadonlyMap<string, FloatTensor>;
  /** Sees the gradients of a step before they are clipped and applied; the tensors change with the next step. */
  onGradients?: (gradients: ReadonlyMap<string, FloatTensor>) => void;
  /** The ranks that train together; this process alone when absent. Every rank makes its Trainer at the same time. */
  communicator?: Communicator;
  /** Instead of the recipe's `distributed.exchange`. */
  codec?: GradientCodec;
}

/** A model with its optimiser: forward and backward over micro-batches, then one update. */
export class Trainer {
  readonly recipe: Recipe;
  readonly model: Transformer;
  readonly optimizer: AdamW;
  readonly #arena = new Arena();
  readonly #onGradients: TrainerOptions["onGradients"];

  constructor(recipe: Recipe, options: TrainerOptions = {}) {
    setThreads(recipe.threads > 0 ? recipe.threads : availableParallelism());
    this.recipe = recipe;
    this.model = new Transformer(recipe.model);
    this.optimizer = new AdamW(this.model.parameters, recipe.optim);
    this.#onGradients = options.onGradients;
    if (options.initialWeights) copyTensors(options.initialWeights, this.parameters(), "initialWeights");
    else this.model.initialise(recipe.seed);
  }

  get numParameters(): number {
    return this.model.parameters.numParameters;
  }

  /** Bytes that activations and their gradients take. */
  get activationBytes(): number {
    return this.#arena.reservedBytes;
  }

  /** The parameters by name; the tensors are the model's own memory. */
  parameters(): Map<string, FloatTensor> {
    return this.model.parameters.views(this.model.parameters.values);
  }

  /** The gradients of the last step by name; the tensors are the model's own memory. */
  gradients(): Map<string, FloatTensor> {
    return this.model.parameters.views(this.model.parameters.grads);
  }

  /**
   * One optimiser step on the mean loss over all loss tokens of `microBatches`.
   *
   * @param lr the step's learning rate; the recipe's peak rate when absent.
   */
  step(microBatches: readonly MicroBatch[], lr = this.recipe.optim.lr): StepResult {
    const lossTokens = microBatches.reduce((sum, batch) => sum + batch.lossTokens, 0);
    if (lossTokens === 0) {
      throw new CaiError("E_ARGUMENT", "trainer", "a step needs at least one target that is not -1, got none");
    }
    this.model.parameters.grads.data.fill(0);
    let loss = 0;
    for (const batch of microBatches) loss += this.#forwardBackward(batch, 1 / lossTokens);
    this.#onGradients?.(this.gradients());
    return { loss: loss / lossTokens, lossTokens, ...this.optimizer.step(lr) };
  }

  /**
   * Parameters and moments, whoever holds them; every rank must call it. What this rank holds whole is its own memory,
   * the rest a copy.
   */
  fullState(): FullState {
    const { parameters } = this.model;
    return {
      parameters: this.parameters(),
      firstMoments: parameters.views(this.optimizer.firstMoments),
      secondMoments: parameters.views(this.optimizer.secondMoments),
    };
  }

  /** Takes over the values that were written into the tensors of `state`, which {@link fullState} gave. */
  restoreFullState(_state: FullState): void {}

  /** What this rank's exchange carries from step to step; undefined when that is nothing. */
  exchangeState(): ExchangeState | undefined {
    return undefined;
  }

  /**
   * Goes on with what {@link exchangeState} gave, bit by bit when the number of ranks is the same; on another number
   * what errors were left is dealt out anew, and their sum stays.
   *
   * @param states those of all ranks of the checkpoint, in their order.
   */
  restoreExchangeState(_states: readonly ExchangeState[]): void {}

  /** Ends the exchange's own communicators, not the one it was given; every rank calls it. */
  close(): void {}

  /** Summed cross-entropy of one batch in nats; the model does not change. */
  evaluate(batch: MicroBatch): number {
    const tape = new Tape(this.#arena, { recording: false });
    const loss = this.#loss(tape, batch, 0);
    this.#arena.reset();
    return loss;
  }

  #forwardBackward(batch: MicroBatch, gradScale: number): number {
    const tape = new Tape(this.#arena, { recording: true });
    const loss = this.#loss(tape, batch, gradScale);
    tape.backward();
    return loss;
  }

  #loss(tape: Tape, batch: MicroBatch, gradScale: number): number {
    const { recipe } = this;
    const input = { tokens: batch.tokens, batchSize: batch.tokens.length / recipe.data.seqLen };
    return this.model.loss(tape, input, batch.targets, {
      chunkRows: recipe.lossChunkRows,
      chunkVocab: recipe.lossChunkVocab,
      softcap: recipe.model.logitSoftcap,
      gradScale,
    });
  }
}

/** Copies every tensor of `to` from its namesake. @throws CaiError `E_FORMAT` naming what is missing or misshapen. */
export function copyTensors(
  from: ReadonlyMap<string, FloatTensor>,
  to: ReadonlyMap<string, FloatTensor>,
  source: string,
): void {
  for (const [name, target] of to) {
    const tensor = from.get(name);
    const expected = `${source} must hold ${name} of shape [${target.shape}]`;
    if (!tensor) throw new CaiError("E_FORMAT", "trainer", `${expected}, got no such tensor`);
    if (tensor.dtype !== "float32" || `${tensor.shape}` !== `${target.shape}`) {
      throw new CaiError("E_FORMAT", "trainer", `${expected}, got ${tensor.dtype} [${tensor.shape}]`);
    }
  }
  const unknown = [...from.keys()].find((name) => !to.has(name));
  if (unknown !== undefined) {
    throw new CaiError("E_FORMAT", "trainer", `${source} holds ${unknown}, which the recipe's model does not have`);
  }
  for (const [name, target] of to) target.data.set((from.get(name) as FloatTensor).data);
}
