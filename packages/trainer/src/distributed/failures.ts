import { CaiError, type CaiErrorCode, isCaiError } from "@cai/native";

/** An error in a form that survives the way between threads and processes. */
export interface Failure {
  readonly message: string;
  readonly stack?: string;
  readonly cai?: { readonly code: CaiErrorCode; readonly op: string };
}

export function describeFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  const stack = error.stack === undefined ? {} : { stack: error.stack };
  const cai = isCaiError(error) ? { cai: { code: error.code, op: error.op } } : {};
  return { message: error.message, ...stack, ...cai };
}

/** The error that {@link describeFailure} described. */
export function toError({ message, stack, cai }: Failure): Error {
  const error = cai ? new CaiError(cai.code, cai.op, message.slice(cai.op.length + 2)) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** The error with which a rank ends because of what others met; its code is that of the first of them. */
export function failureOfOthers(failures: ReadonlyMap<number, Failure>): CaiError {
  const [first] = failures.values();
  const ranksByMessage = new Map<string, number[]>();
  for (const [rank, { message }] of failures) {
    ranksByMessage.set(message, [...(ranksByMessage.get(message) ?? []), rank]);
  }
  const parts = [...ranksByMessage].map(([message, ranks]) => `${rankNames(ranks)} failed: ${message}`);
  return new CaiError(first?.cai?.code ?? "E_INTERNAL", "train", parts.join("\n"));
}

/** "rank 2", "ranks 0 and 2", "ranks 0, 1 and 3". */
export function rankNames(ranks: readonly number[]): string {
  if (ranks.length === 1) return `rank ${ranks[0]}`;
  return `ranks ${ranks.slice(0, -1).join(", ")} and ${ranks.at(-1)}`;
}
