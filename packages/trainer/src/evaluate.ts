import { bitsPerByte, type EvalBatch } from "./data/index.js";
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

/** Runs the model over `batches`, each token counting once. */
export function evaluate(trainer: Trainer, batches: Iterable<EvalBatch>): Evaluation {
  let nats = 0;
  let tokens = 0;
  let bytes = 0;
  for (const batch of batches) {
    nats += trainer.evaluate(batch);
    tokens += batch.lossTokens;
    bytes += batch.bytes;
  }
  const loss = nats / tokens;
  return { loss, bitsPerByte: bitsPerByte({ natsPerToken: loss, tokens, bytes }), tokens, bytes };
}
