import { describe } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";

/** @throws CaiError `E_ARGUMENT` unless `value` is a whole number from `least` to `most`. */
export function checkWhole(
  value: unknown,
  name: string,
  { least = 0, most = 2 ** 31 - 1, advice = "" },
  op: string,
): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const expected = `a whole number from ${least} to ${most}`;
  throw new CaiError("E_ARGUMENT", op, `${name} must be ${expected}, got ${describe(value)}${advice && `: ${advice}`}`);
}

/** @throws CaiError `E_ARGUMENT` unless `value` has a length, as arrays and typed arrays do. */
export function checkList(value: unknown, name: string, op: string): void {
  const isList =
    typeof value === "object" && value !== null && Number.isInteger((value as { length?: unknown }).length);
  if (!isList) throw new CaiError("E_ARGUMENT", op, `${name} must be an array, got ${describe(value)}`);
}
