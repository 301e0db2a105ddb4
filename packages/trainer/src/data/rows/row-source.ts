import { CaiError } from "@cai/native";
import type { MicroBatch } from "../micro-batch.js";

/** Where a source stands, as plain JSON: a few integers, however much it has given. */
export type RowState = Readonly<Record<string, number>>;

/** What one corpus gives to train on: an endless sequence of rows, the same for the same options. */
export interface RowSource {
  /** The next row: a micro-batch of one, in new arrays. */
  nextRow(): MicroBatch;
  /** Passes over the next row without making it. */
  skipRow(): void;
  /** Where it stands, for {@link RowOptions.state}. */
  readonly state: RowState;
  /** Closes the files. */
  close(): void;
}

/** What rows are a function of, besides the corpus. */
export interface RowOptions {
  /** Tokens of a row, T. */
  readonly seqLen: number;
  /** Of all random numbers of the run's data. */
  readonly key: readonly [number, number];
  /** Of the corpus among those of the run: random numbers differ from corpus to corpus. */
  readonly number: number;
  /** Where to go on; the beginning when absent. */
  readonly state?: RowState | undefined;
}

/**
 * The numbers of a state, each named in `fields`.
 *
 * @throws CaiError `E_CONFIG` for a state that another kind of source has saved.
 */
export function stateFields<Field extends string>(
  state: RowState | undefined,
  fields: readonly Field[],
): Record<Field, number> {
  const known = state ?? Object.fromEntries(fields.map((field) => [field, 0]));
  if (Object.keys(known).sort().join() === [...fields].sort().join()) return { ...known } as Record<Field, number>;
  throw refusal(`state: expected the numbers ${fields.join(", ")}, got ${Object.keys(known).join(", ")}`);
}

export function refusal(message: string): CaiError {
  return new CaiError("E_CONFIG", "BatchLoader", message);
}
