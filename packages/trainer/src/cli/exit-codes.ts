import { type CaiErrorCode, isCaiError } from "@cai/native";

/** What `cai` exits with. */
export const exitCodes = {
  ok: 0,
  /** A fault of ours. */
  internal: 1,
  /** Arguments, recipe or options that make no sense. */
  usage: 2,
  /** A file that is missing, torn, foreign or can't be written. */
  file: 3,
  /** The run went on producing gradients that are not finite. */
  diverged: 4,
  /** No backend, or no memory. */
  resources: 5,
  /** A rank of several died, hung or could not be reached; the others ended for that. */
  rankLost: 6,
  /** Ended by Ctrl-C, with a checkpoint. */
  interrupted: 130,
} as const;

const byCode: Readonly<Record<CaiErrorCode, number>> = {
  E_ARGUMENT: exitCodes.usage,
  E_CONFIG: exitCodes.usage,
  E_SHAPE: exitCodes.internal,
  E_DTYPE: exitCodes.internal,
  E_INTERNAL: exitCodes.internal,
  E_DEVICE: exitCodes.resources,
  E_MEMORY: exitCodes.resources,
  E_LOAD: exitCodes.resources,
  E_FORMAT: exitCodes.file,
  E_IO: exitCodes.file,
  E_DIVERGED: exitCodes.diverged,
  E_COMM: exitCodes.rankLost,
};

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  return isCaiError(error) ? byCode[error.code] : exitCodes.internal;
}
