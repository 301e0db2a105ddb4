import {
  CaiError,
  crossEntropyBackward,
  crossEntropyForward,
  embeddingBackward,
  embeddingForward,
  type FloatTensor,
  floatTensor,
  type IntTensor,
  intTensor,
  matmul,
  softcapBackward,
  softcapForward,
} from "@cai/native";
import type { Arena } from "../autograd/arena.js";
import type { Parameter, Tape, Variable } from "../autograd/tape.js";

export interface LossOptions {
  /** Rows whose logits exist at once. */
  chunkRows: number;
  /** Vocabulary entries whose logits exist at once; 0 for all of them. */
  chunkVocab: number;
  /** tanh soft-cap of the logits; 0 for none. */
  softcap: number;
  /** What each term's loss is multiplied by in the gradient, besides its weight: 1 / summed weights of the whole step. */
  gradScale: number;
}

/** What is predicted from which row, and how much it counts. */
export interface LossTerms {
  /** int32 [R], below V; a negative one counts nothing. */
  readonly targets: Int32Array;
  /** int32 [R], below N: the hidden row of each target. Absent: R = N, row i for target i. */
  readonly rows?: Int32Array;
  /** float32 [R]; 1 each when absent. */
  readonly weights?: Float32Array;
}

/**
 * Cross-entropy of logits = hidden · weightᵀ against targets, the weighted sum over the terms, in nats.
 *
 * The logits exist only a chunk of rows by a chunk of vocabulary at a time. When the tape records, the gradients of
 * `hidden` and `weight` are computed at once, while a chunk's logits are there: it must be the last op, since nothing
 * can scale them later. With the whole vocabulary in a chunk that takes three products; with less, a fourth recomputes
 * the logits once the logsumexp over all of them is known.
 *
 * Rows of `hidden` that the terms name are gathered chunk by chunk too. All sums are in a fixed order.
 *
 * @param hidden [N, C]. @param weight [V, C].
 * @throws CaiError `E_ARGUMENT` naming the first target that is not below V, or the first row that is not below N.
 */
export function linearCrossEntropy(
  tape: Tape,
  hidden: Variable,
  weight: Parameter,
  terms: LossTerms,
  options: LossOptions,
): number {
  const { targets, rows, weights } = terms;
  requireInVocabulary(targets, weight.value.shape[0] as number);
  const dhidden = tape.recording ? tape.gradientOf(hidden).tensor : undefined;
  if (rows) dhidden?.data.fill(0);
  const capacity = Math.min(options.chunkRows, hidden.value.shape[0] as number);
  let total = 0;
  for (let begin = 0; begin < targets.length; begin += capacity) {
    const count = Math.min(capacity, targets.length - begin);
    const part = <A extends Int32Array | Float32Array>(array: A) => array.subarray(begin, begin + count) as A;
    const ids = rows && intTensor(part(rows), [count]);
    const chunk = new RowChunk(tape.arena, {
      hidden: ids ? hidden.value : rowsOf(hidden.value, begin, count),
      rows: ids,
      targets: intTensor(part(targets), [count]),
      weights: weights && part(weights),
      capacity,
      weight,
      options,
    });
    total += chunk.loss();
    if (dhidden) chunk.backward(ids ? dhidden : rowsOf(dhidden, begin, count));
    chunk.release();
  }
  return total;
}

function requireInVocabulary(targets: Int32Array, vocabSize: number): void {
  const term = targets.findIndex((target) => target >= vocabSize);
  if (term < 0) return;
  throw new CaiError("E_ARGUMENT", "loss", `targets must be below ${vocabSize}, got ${targets[term]} at index ${term}`);
}

interface ChunkInput {
  /** The rows of the terms, or, with `rows`, those to gather them from. */
  readonly hidden: FloatTensor;
  readonly rows: IntTensor | undefined;
  readonly targets: IntTensor;
  readonly weights: Float32Array | undefined;
  /** Terms to have memory for: the arena keeps memory of every size that it has given, and not every chunk is full. */
  readonly capacity: number;
  readonly weight: Parameter;
  readonly options: LossOptions;
}

/** Some terms, whose logits are computed `width` columns at a time into the same memory. */
class RowChunk {
  readonly #arena: Arena;
  readonly #input: ChunkInput;
  readonly #vocabSize: number;
  readonly #width: number;
  readonly #taken: FloatTensor[] = [];
  readonly #hidden: FloatTensor;
  readonly #memory: FloatTensor;
  readonly #lse: FloatTensor;
  readonly #targetLogit: FloatTensor;

  constructor(arena: Arena, input: ChunkInput) {
    const { hidden, rows, weight, options } = input;
    const { chunkVocab } = options;
    this.#arena = arena;
    this.#input = input;
    this.#vocabSize = weight.value.shape[0] as number;
    this.#width = chunkVocab > 0 ? Math.min(chunkVocab, this.#vocabSize) : this.#vocabSize;
    this.#memory = this.#take(this.#width);
    this.#lse = this.#take();
    this.#targetLogit = this.#take();
    this.#hidden = rows ? this.#take(hidden.shape[1]) : hidden;
    if (rows) embeddingForward(rows, hidden, this.#hidden);
  }

  /** The weighted sum of the loss; keeps the logsumexp, and the logits of the last columns. */
  loss(): number {
    const { targets, weights } = this.#input;
    this.#lse.data.fill(Number.NEGATIVE_INFINITY);
    for (let vocabStart = 0; vocabStart < this.#vocabSize; vocabStart += this.#width) {
      crossEntropyForward(this.#computeLogits(vocabStart), targets, this.#lse, this.#targetLogit, { vocabStart });
    }
    return targets.data.reduce((sum, target, i) => {
      if (target < 0) return sum;
      return sum + (weights?.[i] ?? 1) * ((this.#lse.data[i] as number) - (this.#targetLogit.data[i] as number));
    }, 0);
  }

  /** Writes the gradient of the hidden rows, or adds it to those gathered, and adds that of the weights. After {@link loss}. */
  backward(dhidden: FloatTensor): void {
    const { rows, weight, weights, options } = this.#input;
    const dterms = rows ? this.#take(dhidden.shape[1]) : dhidden;
    const dloss = this.#take();
    dloss.data.fill(options.gradScale);
    weights?.forEach((value, i) => {
      dloss.data[i] = options.gradScale * value;
    });
    const keptAll = this.#width === this.#vocabSize;
    for (let vocabStart = 0; vocabStart < this.#vocabSize; vocabStart += this.#width) {
      const logits = keptAll ? this.#logits(vocabStart) : this.#computeLogits(vocabStart);
      this.#toGradient(logits, dloss, vocabStart);
      const columns = logits.shape[1] as number;
      matmul(logits, rowsOf(weight.value, vocabStart, columns), dterms, { accumulate: vocabStart > 0 });
      matmul(logits, this.#hidden, rowsOf(weight.grad, vocabStart, columns), { transposeA: true, accumulate: true });
    }
    if (rows) embeddingBackward(rows, dterms, dhidden);
  }

  release(): void {
    for (const tensor of this.#taken) this.#arena.release(tensor);
  }

  #computeLogits(vocabStart: number): FloatTensor {
    const { weight, options } = this.#input;
    const logits = this.#logits(vocabStart);
    matmul(this.#hidden, rowsOf(weight.value, vocabStart, logits.shape[1] as number), logits, { transposeB: true });
    if (options.softcap > 0) softcapForward(logits, logits, { cap: options.softcap });
    return logits;
  }

  /** The memory of the logits from `vocabStart` on. */
  #logits(vocabStart: number): FloatTensor {
    const columns = Math.min(this.#width, this.#vocabSize - vocabStart);
    return rowsOf(this.#memory, 0, this.#memory.shape[0] as number, columns);
  }

  /** Turns logits into their gradient, in place. */
  #toGradient(logits: FloatTensor, dloss: FloatTensor, vocabStart: number): void {
    const { targets, options, capacity } = this.#input;
    const [count, columns] = logits.shape as [number, number];
    const copy = options.softcap > 0 ? this.#arena.take([capacity, columns]) : undefined;
    copy?.data.set(logits.data);
    crossEntropyBackward(logits, targets, this.#lse, dloss, { vocabStart });
    if (!copy) return;
    softcapBackward(logits, rowsOf(copy, 0, count), logits, { cap: options.softcap });
    this.#arena.release(copy);
  }

  /** Memory until {@link release}: one value a term, or `width`. */
  #take(width?: number): FloatTensor {
    const { targets, capacity } = this.#input;
    const [count = 0] = targets.shape;
    const tensor = this.#arena.take([capacity, width ?? 1]);
    this.#taken.push(tensor);
    const data = tensor.data.subarray(0, count * (width ?? 1));
    return floatTensor(data, width === undefined ? [count] : [count, width]);
  }
}

/** Rows [first, first + count) of a matrix as a view, reshaped to `width` columns when given. */
function rowsOf(matrix: FloatTensor, first: number, count: number, width = matrix.shape[1] as number): FloatTensor {
  return floatTensor(matrix.data.subarray(first * width, (first + count) * width), [count, width]);
}
