import { bitsPerByte, type EvalBatch } from "./data/index.js";
import { gather } from "./distributed/agreement.js";
import type { Trainer } from "./trainer.js";

/** What a model predicts of a validation split. */
export interface Evaluation {
  /** Mean cross-entropy a token, in nats. */
  readonly loss: number;
  /** The same in bits for each byte of the original text. */
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly bytes: number;
}

/** Batches between two agreements: ranks that are not equally fast must not wait for each other for long. */
const roundBatches = 8;

/**
 * Runs the model over `batches`, each token counting once.
 *
 * Of several ranks each gives its own share of the batches, and all get the same result: the sums of all.
 */
export function evaluate(trainer: Trainer, batches: Iterable<EvalBatch>): Evaluation {
  const iterator = batches[Symbol.iterator]();
  const sums = { nats: 0, tokens: 0, bytes: 0 };
  for (;;) {
    const ended = addRound(trainer, iterator, sums);
    const all = gather(trainer.communicator, [ended ? 1 : 0, sums.nats, sums.tokens, sums.bytes]);
    if (all.every(([isEnded]) => isEnded === 1)) return evaluationOf(all);
  }
}

/** @returns whether no batch is left. */
function addRound(
  trainer: Trainer,
  iterator: Iterator<EvalBatch>,
  sums: { nats: number; tokens: number; bytes: number },
): boolean {
  for (let i = 0; i < roundBatches; i++) {
    const { done, value: batch } = iterator.next();
    if (done) return true;
    sums.nats += trainer.evaluate(batch);
    sums.tokens += batch.lossTokens;
    sums.bytes += batch.bytes;
  }
  return false;
}

function evaluationOf(all: readonly (readonly number[])[]): Evaluation {
  const total = (column: number) => all.reduce((sum, numbers) => sum + (numbers[column] as number), 0);
  const [nats, tokens, bytes] = [total(1), total(2), total(3)];
  const loss = nats / tokens;
  return { loss, bitsPerByte: bitsPerByte({ natsPerToken: loss, tokens, bytes }), tokens, bytes };
}
