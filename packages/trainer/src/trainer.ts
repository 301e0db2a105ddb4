import { availableParallelism } from "node:os";
import { CaiError, type Communicator, type FloatTensor, setThreads, singleProcess } from "@cai/native";
import type { GradientCodec } from "@cai/squinch";
import { Arena } from "./autograd/arena.js";
import { Tape } from "./autograd/tape.js";
import type { Recipe } from "./config/recipe.js";
import type { MicroBatch } from "./data/index.js";
import { DataParallel, type ExchangeFigures, type LossSize } from "./distributed/data-parallel.js";
import type { ExchangeState } from "./distributed/exchange-state.js";
import type { HeldState } from "./distributed/held-state.js";
import { Transformer } from "./model/transformer.js";
import { AdamW, type StepOutcome } from "./optim/adamw.js";

export interface StepResult extends StepOutcome {
  /** Weighted mean of the cross-entropy over the loss tokens of the step, those of all ranks, in nats. */
  readonly loss: number;
  /** Loss tokens of the step on all ranks. */
  readonly lossTokens: number;
  /** What each rank gave as its note, by rank. */
  readonly notes: readonly number[];
  /** Absent with a single rank. */
  readonly exchange?: ExchangeFigures;
}

export interface TrainerOptions {
  /** Starting values by tensor name, instead of random ones; every parameter must be there with its shape. */
  initialWeights?: ReadonlyMap<string, FloatTensor>;
  /**
   * Sees the gradients of a step before they are clipped and applied; the tensors change with the next step. With several
   * ranks these are the exchanged ones; where the mode is `sharded`, only in what this rank steps.
   */
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
  /** The ranks that train together. */
  readonly communicator: Communicator;
  readonly #onGradients: TrainerOptions["onGradients"];
  /** Absent with a single rank: then nothing is exchanged. */
  readonly #parallel: DataParallel | undefined;

  constructor(recipe: Recipe, options: TrainerOptions = {}) {
    setThreads(recipe.threads > 0 ? recipe.threads : availableParallelism());
    this.recipe = recipe;
    this.communicator = options.communicator ?? singleProcess();
    this.model = new Transformer(recipe.model);
    this.#onGradients = options.onGradients;
    const { parameters } = this.model;
    if (options.initialWeights) copyTensors(options.initialWeights, this.parameters(), "initialWeights");
    else this.model.parameters.initialise(recipe.seed);
    if (this.communicator.size > 1) {
      this.#parallel = new DataParallel(parameters, this.communicator, recipe, options.codec);
    }
    this.optimizer = new AdamW(parameters, recipe.optim, this.#parallel?.owned);
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
   * One optimiser step on the loss of `microBatches`, those of all ranks: the weighted sum over all their loss tokens,
   * divided by the summed weights. With several ranks every rank must call it; it blocks until they have exchanged their
   * gradients.
   *
   * @param lr the step's learning rate; the recipe's peak rate when absent.
   * @param note asked toward the end of the step for a number that all ranks are to see.
   * @throws CaiError `E_ARGUMENT`; `E_COMM` when a rank died or hangs.
   */
  step(microBatches: readonly MicroBatch[], lr = this.recipe.optim.lr, note = () => 0): StepResult {
    const parallel = this.#parallel;
    const own = lossSize(microBatches);
    const size = parallel ? parallel.totalOf(own) : own;
    if (size.lossWeight === 0 || microBatches.length === 0) {
      const expected = "a step needs at least one target that is not -1 and has a weight";
      throw new CaiError("E_ARGUMENT", "trainer", `${expected}, got none`);
    }
    this.model.parameters.grads.data.fill(0);
    let loss = 0;
    for (const [i, batch] of microBatches.entries()) {
      loss += this.#forwardBackward(batch, 1 / size.lossWeight, i === microBatches.length - 1);
    }
    if (parallel) return this.#finishTogether(parallel, { loss, ...size, lr, note });
    this.#onGradients?.(this.gradients());
    const outcome = this.optimizer.step(lr);
    return { loss: loss / size.lossWeight, lossTokens: size.lossTokens, notes: [note()], ...outcome };
  }

  #finishTogether(
    parallel: DataParallel,
    own: LossSize & { loss: number; lr: number; note: () => number },
  ): StepResult {
    const { lossTokens, lossWeight } = own;
    parallel.finish();
    this.#onGradients?.(this.gradients());
    const sumOfSquares = this.optimizer.sumOfSquares();
    const { loss, notes, ...agreed } = parallel.agree({ loss: own.loss, sumOfSquares, note: own.note() });
    const outcome = this.optimizer.step(own.lr, agreed);
    if (!outcome.skipped) parallel.commit({ ranges: this.optimizer.ranges, values: this.optimizer.secondMoments.data });
    return { loss: loss / lossWeight, lossTokens, notes, ...outcome, exchange: parallel.figures() };
  }

  /** What of the training state this rank may hold only a part of: for checkpoints, the memory itself. */
  heldState(): HeldState {
    const { ranges, firstMoments, secondMoments } = this.optimizer;
    const { masters } = this.#parallel?.owned ?? {};
    const { local, shard } = this.exchangeState() ?? {};
    return {
      firstMoments: { ranges, values: firstMoments.data },
      secondMoments: { ranges, values: secondMoments.data },
      masters: masters && { ranges, values: masters },
      local,
      shard,
    };
  }

  /**
   * Goes on with the values that were written into {@link parameters}, exact ones, and {@link heldState}; every rank
   * must call it.
   *
   * @param codecs the codec by tensor name, where they were measured.
   */
  adopt(codecs?: Readonly<Record<string, string>>): void {
    this.#parallel?.adopt(codecs);
  }

  /** What this rank's exchange carries from step to step; undefined when that is nothing. */
  exchangeState(): ExchangeState | undefined {
    return this.#parallel?.state;
  }

  /** Ends the exchange's own communicators, not the one it was given; every rank calls it. */
  close(): void {
    this.#parallel?.close();
  }

  /** Weighted sum of the cross-entropy of one batch in nats; the model does not change. */
  evaluate(batch: MicroBatch): number {
    const tape = new Tape(this.#arena, { recording: false });
    const loss = this.#loss(tape, batch, 0);
    this.#arena.reset();
    return loss;
  }

  #forwardBackward(batch: MicroBatch, gradScale: number, isLast: boolean): number {
    const tape = new Tape(this.#arena, { recording: true });
    const loss = this.#loss(tape, batch, gradScale);
    tape.backward(isLast ? this.#parallel?.begin(tape, this.optimizer.updates) : undefined);
    return loss;
  }

  #loss(tape: Tape, batch: MicroBatch, gradScale: number): number {
    const { recipe } = this;
    return this.model.loss(tape, batch, {
      chunkRows: recipe.lossChunkRows,
      chunkVocab: recipe.lossChunkVocab,
      softcap: recipe.model.logitSoftcap,
      gradScale,
    });
  }
}

function lossSize(microBatches: readonly MicroBatch[]): LossSize {
  const total = (field: keyof LossSize) => microBatches.reduce((sum, batch) => sum + batch[field], 0);
  return { lossTokens: total("lossTokens"), lossWeight: total("lossWeight") };
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
