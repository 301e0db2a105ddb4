import type { FloatTensor, Tensor } from "@cai/native";
import type { Arena } from "./arena.js";

/** A value of the graph. Its gradient appears when the first of its consumers has run backward. */
export interface Variable {
  readonly value: FloatTensor;
  grad?: FloatTensor;
}

/** A trained value: its gradient outlives the step and is always added to. */
export interface Parameter extends Variable {
  readonly name: string;
  grad: FloatTensor;
}

/** Is told how far a backward pass has come. */
export interface BackwardObserver {
  /** The gradient of `parameter` will not change any more in this pass. */
  onFinal(parameter: Parameter): void;
  /** Between two ops. */
  onProgress(): void;
}

interface Entry {
  readonly output: Variable;
  /** False for an op that changed `output` in place: its memory belongs to the entry that made it. */
  readonly owner: boolean;
  readonly saved: readonly Tensor[];
  readonly backward: (outputGrad: FloatTensor) => void;
  /** Parameters that no earlier op has used: the last to add to their gradients is this one's backward. */
  readonly firstUses: readonly Parameter[];
}

/**
 * Reverse-mode differentiation over native ops.
 *
 * An op computes its output, then calls {@link record} with a closure that adds to the gradients of its inputs.
 * {@link backward} runs the closures last to first and gives memory back as soon as it is no longer needed: an output,
 * its gradient and what was saved for it die with their closure, because every consumer has run before.
 */
export class Tape {
  readonly arena: Arena;
  /** Whether gradients are wanted; without, ops save nothing. */
  readonly recording: boolean;
  readonly #entries: Entry[] = [];
  readonly #used = new Set<Parameter>();
  /** Without recording: the variables that are still there. */
  #unrecorded: Variable[] = [];

  constructor(arena: Arena, { recording }: { recording: boolean }) {
    this.arena = arena;
    this.recording = recording;
  }

  /** A new variable of `shape`, for an op to fill. */
  variable(shape: readonly number[]): Variable {
    const made = { value: this.arena.take(shape) };
    if (!this.recording) this.#unrecorded.push(made);
    return made;
  }

  /** Gives back the memory of every variable but `kept`, unless a backward pass will want it: nothing reads them again. */
  forgetAllBut(kept: Variable): void {
    for (const made of this.#unrecorded) if (made !== kept) this.arena.release(made.value);
    this.#unrecorded = this.#unrecorded.filter((made) => made === kept);
  }

  /**
   * Notes how the gradient of `output` reaches its inputs.
   *
   * @param saved arena tensors that only `backward` reads. @param parameters whose gradients `backward` adds to.
   */
  record(
    output: Variable,
    saved: readonly Tensor[],
    parameters: readonly Parameter[],
    backward: (outputGrad: FloatTensor) => void,
  ): void {
    if (this.recording) {
      const firstUses = parameters.filter((parameter) => !this.#used.has(parameter));
      for (const parameter of firstUses) this.#used.add(parameter);
      this.#entries.push({ output, owner: true, saved, backward, firstUses });
    } else {
      for (const tensor of saved) this.arena.release(tensor);
    }
  }

  /** Notes an op that overwrote `variable`; `backward` turns its gradient, in place, into that from before the op. */
  recordInPlace(variable: Variable, backward: (grad: FloatTensor) => void): void {
    if (this.recording) this.#entries.push({ output: variable, owner: false, saved: [], backward, firstUses: [] });
  }

  /** Where to write the gradient of `input`, and whether to add to what is there. */
  gradientOf(input: Variable): { tensor: FloatTensor; accumulate: boolean } {
    if (input.grad) return { tensor: input.grad, accumulate: true };
    input.grad = this.arena.take(input.value.shape);
    return { tensor: input.grad, accumulate: false };
  }

  /**
   * Makes the gradient of `output` that of `input` as well, without a copy: for an input that was only added to the
   * output. The addition must be the last use of `input` in the forward pass, so that it is the first in the backward.
   */
  passGradient(output: Variable, input: Variable): void {
    if (input.grad || !output.grad) throw new Error("an addend must have no later use than its addition");
    input.grad = output.grad;
    delete output.grad;
  }

  /**
   * The parameters that ops on the tape have used, in the order in which {@link backward} finishes their gradients; the
   * gradient of any other is final already.
   */
  finalOrder(): Parameter[] {
    return [...this.#used].reverse();
  }

  /** Runs every closure, last first, and empties the tape. An output without a gradient is passed over. */
  backward(observer?: BackwardObserver): void {
    for (let entry = this.#entries.pop(); entry; entry = this.#entries.pop()) {
      const { output, owner, saved, backward, firstUses } = entry;
      if (output.grad) backward(output.grad);
      if (observer) for (const parameter of firstUses) observer.onFinal(parameter);
      observer?.onProgress();
      if (!owner) continue;
      if (output.grad) this.arena.release(output.grad);
      delete output.grad;
      this.arena.release(output.value);
      for (const tensor of saved) this.arena.release(tensor);
    }
  }
}
