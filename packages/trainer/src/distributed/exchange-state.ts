import type { HeldValues } from "./held-values.js";

/** What the exchange of one rank carries from step to step: a checkpoint needs it of every rank. */
export interface ExchangeState {
  /** What this rank's encodings have lost so far, under error feedback. */
  readonly local?: HeldValues;
  /** What the encodings of the sums that this rank owns have lost so far, under error feedback. */
  readonly shard?: HeldValues;
  /** The codec by tensor name, where the recipe's policy is `measured`; the same on every rank. */
  readonly codecs?: Readonly<Record<string, string>>;
}
