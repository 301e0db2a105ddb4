import { checkOptions } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import { type CodebookName, codebook } from "../codebook.js";
import type { Quality } from "./quality-sums.js";

/** One tensor as it was measured. */
export interface TensorMeasurement {
  /** How many values it has; a sample may have looked at fewer. */
  readonly length: number;
  /** What each codebook that may be used does to it. */
  readonly quality: Readonly<Partial<Record<CodebookName, Quality>>>;
}

export interface PolicyOptions {
  /** What a codebook must reach in Adam's measure (or plainly, where there were no units), in dB. Default 20. */
  minAdamSnrDb?: number;
  /** Tensors of fewer values go as bfloat16. Default 4096. */
  minLength?: number;
  /** The largest share of exact zeros in live blocks for a codebook without a code for zero. Default 0.01. */
  maxZeroShare?: number;
}

/** How a tensor travels. */
export type TensorPolicy = CodebookName | "bf16";

/**
 * Chooses for each tensor how it travels:
 *
 * 1. Fewer than `minLength` values (norms, biases): `bf16`. They steer whole channels, and the bytes don't count: 10 bits
 *    more a value, but a model has a thousandth of its values there.
 * 2. With more than `maxZeroShare` exact zeros in live blocks, codebooks without a code for zero are out: they decode each
 *    to the same small positive value, an error that neither workers nor steps average away (rows of an embedding that
 *    were not in the batch, units that a relu switched off).
 * 3. Of the codebooks left, the one with the highest `adamSnrDb`: what an error does to the step depends on the value's
 *    unit. `snrDb` where no units were given. A tie goes to the one named first in the measurement.
 * 4. If that is below `minAdamSnrDb`, or nothing is left: `bf16`. 20 dB is an error of a tenth of Adam's unit.
 *
 * The thresholds are our choice. The result depends on nothing but the arguments: where every rank must choose alike,
 * measure what all have alike (a reduced gradient and Adam's moments), or send one rank's choice to the others.
 *
 * @throws CaiError `E_ARGUMENT` for options that are not numbers, and for a measurement without any codebook.
 */
export function choosePolicy(
  tensors: ReadonlyMap<string, TensorMeasurement>,
  options: PolicyOptions = {},
): Map<string, TensorPolicy> {
  checkOptions(options, op);
  const { minAdamSnrDb = 20, minLength = 4096, maxZeroShare = 0.01 } = options;
  const limits = { minAdamSnrDb, minLength, maxZeroShare };
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== "number" || Number.isNaN(value)) {
      throw new CaiError("E_ARGUMENT", op, `${name} must be a number, got ${String(value)}`);
    }
  }
  return new Map([...tensors].map(([name, tensor]) => [name, policyOf(name, tensor, limits)]));
}

const op = "squinch.choosePolicy";

function policyOf(name: string, tensor: TensorMeasurement, limits: Required<PolicyOptions>): TensorPolicy {
  const measured = Object.entries(tensor.quality) as [CodebookName, Quality][];
  if (measured.length === 0) {
    throw new CaiError("E_ARGUMENT", op, `expected ${name} to be measured with at least one codebook, got none`);
  }
  if (tensor.length < limits.minLength) return "bf16";
  let best: TensorPolicy = "bf16";
  let bestDb = limits.minAdamSnrDb;
  for (const [candidate, { adamSnrDb, snrDb, zeroShare }] of measured) {
    if (zeroShare > limits.maxZeroShare && codebook(candidate).signedZero) continue;
    const db = adamSnrDb ?? snrDb;
    // The first that reaches the limit needs no more; those after it must be better.
    if (best === "bf16" ? db >= bestDb : db > bestDb) {
      best = candidate;
      bestDb = db;
    }
  }
  return best;
}
