import {
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
 */
export function linearCrossEntropy(
  tape: Tape,
  hidden: Variable,
  weight: Parameter,
  targets: IntTensor,
  options: LossOptions,
): number {
  const [rows] = hidden.value.shape as [number, number];
  const dhidden = tape.recording ? tape.gradientOf(hidden).tensor : undefined;
  let total = 0;
  for (let begin = 0; begin < rows; begin += options.chunkRows) {
    const count = Math.min(options.chunkRows, rows - begin);
    total += chunkLoss(tape, {
      hidden: rowsOf(hidden.value, begin, count),
      dhidden: dhidden && rowsOf(dhidden, begin, count),
      weight,
      targets: intTensor(targets.data.subarray(begin, begin + count), [count]),
      options,
    });
  }
  return total;
}

interface Chunk {
  hidden: FloatTensor;
  dhidden: FloatTensor | undefined;
  weight: Parameter;
  targets: IntTensor;
  options: LossOptions;
}

function chunkLoss(tape: Tape, chunk: Chunk): number {
  const { hidden, weight, targets, options } = chunk;
  const rows = hidden.shape[0] as number;
  const vocabSize = weight.value.shape[0] as number;
  const width = options.chunkVocab > 0 ? Math.min(options.chunkVocab, vocabSize) : vocabSize;
  const logitsMemory = tape.arena.take([rows, width]);
  const lse = tape.arena.take([rows]);
  const targetLogit = tape.arena.take([rows]);
  lse.data.fill(Number.NEGATIVE_INFINITY);
  targetLogit.data.fill(0);
  const cap = options.softcap;

  const logitsOf = (vocabStart: number) => {
    const weights = rowsOf(weight.value, vocabStart, Math.min(width, vocabSize - vocabStart));
    const logits = rowsOf(logitsMemory, 0, rows, weights.shape[0] as number);
    matmul(hidden, weights, logits, { transposeB: true });
    if (cap > 0) softcapForward(logits, logits, { cap });
    return logits;
  };
  let logits: FloatTensor | undefined;
  for (let vocabStart = 0; vocabStart < vocabSize; vocabStart += width) {
    logits = logitsOf(vocabStart);
    crossEntropyForward(logits, targets, lse, targetLogit, { vocabStart });
  }
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    if ((targets.data[row] as number) >= 0) loss += (lse.data[row] as number) - (targetLogit.data[row] as number);
  }

  if (chunk.dhidden) {
    const dloss = tape.arena.take([rows]);
    dloss.data.fill(options.gradScale);
    for (let vocabStart = 0; vocabStart < vocabSize; vocabStart += width) {
      const dlogits = width === vocabSize && logits ? logits : logitsOf(vocabStart);
      const capped = cap > 0 ? copyOf(tape, dlogits) : undefined;
      crossEntropyBackward(dlogits, targets, lse, dloss, { vocabStart });
      if (capped) {
        softcapBackward(dlogits, capped, dlogits, { cap });
        tape.arena.release(capped);
      }
      const count = dlogits.shape[1] as number;
      matmul(dlogits, rowsOf(weight.value, vocabStart, count), chunk.dhidden, { accumulate: vocabStart > 0 });
      matmul(dlogits, hidden, rowsOf(weight.grad, vocabStart, count), { transposeA: true, accumulate: true });
    }
    tape.arena.release(dloss);
  }
  for (const tensor of [logitsMemory, lse, targetLogit]) tape.arena.release(tensor);
  return loss;
}

function copyOf(tape: Tape, tensor: FloatTensor): FloatTensor {
  const copy = tape.arena.take(tensor.shape);
  copy.data.set(tensor.data);
  return copy;
}

/** Rows [first, first + count) of a matrix as a view, reshaped to `width` columns when given. */
function rowsOf(matrix: FloatTensor, first: number, count: number, width = matrix.shape[1] as number): FloatTensor {
  return floatTensor(matrix.data.subarray(first * width, (first + count) * width), [count, width]);
}
