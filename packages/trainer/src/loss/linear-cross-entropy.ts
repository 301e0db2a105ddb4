import {
  CaiError,
  crossEntropyBackward,
  crossEntropyForward,
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
  /** What each row's loss is multiplied by in the gradient: 1 / loss tokens of the whole step. */
  gradScale: number;
}

/**
 * Cross-entropy of logits = hidden · weightᵀ against `targets`, summed over rows, in nats; rows whose target is negative count nothing.
 *
 * The logits exist only a chunk of rows by a chunk of vocabulary at a time. When the tape records, the gradients of
 * `hidden` and `weight` are computed at once, while a chunk's logits are there: it must be the last op, since nothing
 * can scale them later. With the whole vocabulary in a chunk that takes three products; with less, a fourth recomputes
 * the logits once the logsumexp over all of them is known.
 *
 * @param hidden [N, C]. @param weight [V, C]. @param targets int32 [N], below V.
 * @throws CaiError `E_ARGUMENT` naming the first target that is not below V.
 */
export function linearCrossEntropy(
  tape: Tape,
  hidden: Variable,
  weight: Parameter,
  targets: IntTensor,
  options: LossOptions,
): number {
  const [rows] = hidden.value.shape as [number, number];
  requireInVocabulary(targets, weight.value.shape[0] as number);
  const dhidden = tape.recording ? tape.gradientOf(hidden).tensor : undefined;
  let total = 0;
  for (let begin = 0; begin < rows; begin += options.chunkRows) {
    const count = Math.min(options.chunkRows, rows - begin);
    const chunk = new RowChunk(tape, {
      hidden: rowsOf(hidden.value, begin, count),
      targets: intTensor(targets.data.subarray(begin, begin + count), [count]),
      weight,
      options,
    });
    total += chunk.loss();
    if (dhidden) chunk.backward(rowsOf(dhidden, begin, count));
    chunk.release();
  }
  return total;
}

function requireInVocabulary({ data }: IntTensor, vocabSize: number): void {
  const row = data.findIndex((target) => target >= vocabSize);
  if (row < 0) return;
  throw new CaiError("E_ARGUMENT", "loss", `targets must be below ${vocabSize}, got ${data[row]} at index ${row}`);
}

interface ChunkInput {
  readonly hidden: FloatTensor;
  readonly targets: IntTensor;
  readonly weight: Parameter;
  readonly options: LossOptions;
}

/** Some rows, whose logits are computed `width` columns at a time into the same memory. */
class RowChunk {
  readonly #tape: Tape;
  readonly #input: ChunkInput;
  readonly #vocabSize: number;
  readonly #width: number;
  readonly #memory: FloatTensor;
  readonly #lse: FloatTensor;
  readonly #targetLogit: FloatTensor;

  constructor(tape: Tape, input: ChunkInput) {
    const rows = input.hidden.shape[0] as number;
    const { chunkVocab } = input.options;
    this.#tape = tape;
    this.#input = input;
    this.#vocabSize = input.weight.value.shape[0] as number;
    this.#width = chunkVocab > 0 ? Math.min(chunkVocab, this.#vocabSize) : this.#vocabSize;
    this.#memory = tape.arena.take([rows, this.#width]);
    this.#lse = tape.arena.take([rows]);
    this.#targetLogit = tape.arena.take([rows]);
  }

  /** The summed loss; keeps the logsumexp, and the logits of the last columns. */
  loss(): number {
    const { targets } = this.#input;
    this.#lse.data.fill(Number.NEGATIVE_INFINITY);
    for (let vocabStart = 0; vocabStart < this.#vocabSize; vocabStart += this.#width) {
      crossEntropyForward(this.#computeLogits(vocabStart), targets, this.#lse, this.#targetLogit, { vocabStart });
    }
    return targets.data.reduce((sum, target, row) => {
      return target < 0 ? sum : sum + (this.#lse.data[row] as number) - (this.#targetLogit.data[row] as number);
    }, 0);
  }

  /** Writes the gradient of the hidden rows and adds that of the weights. Comes after {@link loss}. */
  backward(dhidden: FloatTensor): void {
    const { hidden, weight } = this.#input;
    const keptAll = this.#width === this.#vocabSize;
    for (let vocabStart = 0; vocabStart < this.#vocabSize; vocabStart += this.#width) {
      const logits = keptAll ? this.#logits(vocabStart) : this.#computeLogits(vocabStart);
      this.#toGradient(logits, vocabStart);
      const columns = logits.shape[1] as number;
      matmul(logits, rowsOf(weight.value, vocabStart, columns), dhidden, { accumulate: vocabStart > 0 });
      matmul(logits, hidden, rowsOf(weight.grad, vocabStart, columns), { transposeA: true, accumulate: true });
    }
  }

  release(): void {
    for (const tensor of [this.#memory, this.#lse, this.#targetLogit]) this.#tape.arena.release(tensor);
  }

  #computeLogits(vocabStart: number): FloatTensor {
    const { hidden, weight, options } = this.#input;
    const logits = this.#logits(vocabStart);
    matmul(hidden, rowsOf(weight.value, vocabStart, logits.shape[1] as number), logits, { transposeB: true });
    if (options.softcap > 0) softcapForward(logits, logits, { cap: options.softcap });
    return logits;
  }

  /** The memory of the logits from `vocabStart` on. */
  #logits(vocabStart: number): FloatTensor {
    const columns = Math.min(this.#width, this.#vocabSize - vocabStart);
    return rowsOf(this.#memory, 0, this.#memory.shape[0] as number, columns);
  }

  /** Turns logits into their gradient, in place. */
  #toGradient(logits: FloatTensor, vocabStart: number): void {
    const { targets, options } = this.#input;
    const { arena } = this.#tape;
    const rows = logits.shape[0] as number;
    const capped = options.softcap > 0 ? copyOf(arena, logits) : undefined;
    const dloss = arena.take([rows]);
    dloss.data.fill(options.gradScale);
    crossEntropyBackward(logits, targets, this.#lse, dloss, { vocabStart });
    arena.release(dloss);
    if (!capped) return;
    softcapBackward(logits, capped, logits, { cap: options.softcap });
    arena.release(capped);
  }
}

function copyOf(arena: Arena, tensor: FloatTensor): FloatTensor {
  const copy = arena.take(tensor.shape);
  copy.data.set(tensor.data);
  return copy;
}

/** Rows [first, first + count) of a matrix as a view, reshaped to `width` columns when given. */
function rowsOf(matrix: FloatTensor, first: number, count: number, width = matrix.shape[1] as number): FloatTensor {
  return floatTensor(matrix.data.subarray(first * width, (first + count) * width), [count, width]);
}
