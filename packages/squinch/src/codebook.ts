import { CaiError } from "@cai/portable/error";
import type { CodeTables } from "./native-ops.js";
import {
  adamLevels,
  adamThresholds,
  inverses,
  lloydLevels,
  lloydThresholds,
  maxima,
  sqrtLevels,
  sqrtThresholds,
} from "./tables.js";

/** What the 4-bit codes of a block mean; FORMAT.md has the numbers. */
export type CodebookName = "sqrt" | "adam" | "lloyd";

const codebooks: Readonly<Record<CodebookName, CodeTables>> = {
  sqrt: { maxima, inverses, levels: sqrtLevels, thresholds: sqrtThresholds, signedZero: true },
  adam: { maxima, inverses, levels: adamLevels, thresholds: adamThresholds, signedZero: false },
  lloyd: { maxima, inverses, levels: lloydLevels, thresholds: lloydThresholds, signedZero: false },
};

/** The tables that encoders and decoders use: not to be changed. @throws CaiError `E_ARGUMENT`. */
export function tablesOf(name: CodebookName, op: string): CodeTables {
  const tables = Object.hasOwn(codebooks, name) ? codebooks[name] : undefined;
  if (!tables) {
    throw new CaiError(
      "E_ARGUMENT",
      op,
      `codebook must be ${Object.keys(codebooks).join(" or ")}, got ${String(name)}`,
    );
  }
  return tables;
}

/** The numbers of one codebook. */
export interface Codebook {
  readonly name: CodebookName;
  /** What each of the 16 codes decodes to, as a share of the block's maxabs. */
  readonly levels: Float32Array;
  /** 15 values: a code is how many of them are at most t = round32(|x| · inv[q_max]). */
  readonly thresholds: Float32Array;
  /** Whether code 0 has a sign; where it hasn't, it is an exact zero. */
  readonly signedZero: boolean;
}

/** A copy of a codebook's tables. @throws CaiError `E_ARGUMENT` for an unknown name. */
export function codebook(name: CodebookName): Codebook {
  const { levels, thresholds, signedZero } = tablesOf(name, "codebook");
  return { name, levels: levels.slice(), thresholds: thresholds.slice(), signedZero };
}

/** A copy of maxabs[q_max], 256 values: round32(exp((q_max − 128) / 6)). */
export function blockMaxima(): Float32Array {
  return maxima.slice();
}

/** A copy of inv[q_max], 256 values: round32(256 / exp((q_max − 128) / 6)). */
export function inverseMaxima(): Float32Array {
  return inverses.slice();
}
