import { checkWhole, describe } from "@cai/portable/arguments";
import { most, refuse } from "../refuse.js";

/** Bounds what is allocated by the length of a row. */
export function checkSeqLen(value: unknown, op: string): void {
  checkWhole(value, "seqLen", 1, 2 ** 26, op);
}

/** Whether `value` can be a token id: a whole number from 0 to 2³¹ − 1. */
export function isToken(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

export function refuseId(value: unknown, name: string, op: string): never {
  refuse(op, `${name} must be a token id, a whole number from 0 to ${most}, got ${describe(value)}`);
}

/** @throws CaiError `E_ARGUMENT` when nothing is left to pack. */
export function checkSome(count: number, op: string): void {
  if (count === 0) refuse(op, "expected at least one token to pack, got none");
}
