import { checkOptions, checkWhole } from "@cai/portable/arguments";
import { CaiError, type CaiErrorCode } from "@cai/portable/error";
import type { ViewOptions } from "./mask.js";

/** The largest int32: places in a row are such, and so are widths. */
export const most = 2 ** 31 - 1;

export function refuse(op: string, message: string, code: CaiErrorCode = "E_ARGUMENT"): never {
  throw new CaiError(code, op, message);
}

export function refuseToken(op: string, token: number, row: number, message: string): never {
  refuse(op, `token ${token} of row ${row}: ${message}`);
}

/** Checks options that may have a window. @returns it. */
export function windowOf(options: ViewOptions, op: string): number {
  checkOptions(options, op);
  const { window = 0 } = options;
  checkWhole(window, "window", 0, most, op);
  return window;
}

/** An array of `length` elements. @throws CaiError `E_MEMORY` saying that there is none for so many of `what`. */
export function allocate<A>(Type: new (length: number) => A, length: number, what: string, op: string): A {
  try {
    return new Type(length);
  } catch {
    return refuse(op, `no memory for ${length} ${what}`, "E_MEMORY");
  }
}
