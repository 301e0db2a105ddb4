/**
 * One line of metrics.jsonl. Only the step is always there; a number that was not finite is null. Further fields are
 * kept as they are.
 */
export interface MetricsRecord {
  /** Optimiser steps done, this one included. */
  readonly step: number;
  /** Mean training loss of the step, nats a token. */
  readonly loss?: number | null;
  /** Mean validation loss, nats a token, when the step ended with a validation. */
  readonly valLoss?: number | null;
  /** The same in bits a byte of text. */
  readonly valBitsPerByte?: number | null;
  readonly lr?: number | null;
  /** Global gradient norm before clipping. */
  readonly gradNorm?: number | null;
  readonly tokensPerSecond?: number | null;
  readonly stepTimeMs?: number | null;
  /** Training tokens seen so far. */
  readonly tokens?: number | null;
  /** Steps skipped so far for a gradient that was not finite. */
  readonly skippedSteps?: number | null;
  /** Bytes of gradients that the first of several ranks sent to the others in the step. */
  readonly exchangeBytes?: number | null;
  /** Bytes of parameters that it sent, where shards are owned. */
  readonly parameterBytes?: number | null;
  /** Time of the step in which it only waited for the exchange. */
  readonly exposedMs?: number | null;
  readonly [field: string]: number | string | boolean | null | undefined;
}
