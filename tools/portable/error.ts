/** Stable reasons for a {@link CaiError}; `native/src/core/error.h` has the same names. */
export type CaiErrorCode =
  | "E_ARGUMENT"
  | "E_SHAPE"
  | "E_DTYPE"
  | "E_DEVICE"
  | "E_MEMORY"
  | "E_INTERNAL"
  | "E_LOAD"
  | "E_FORMAT"
  | "E_IO"
  | "E_CONFIG"
  | "E_DIVERGED"
  | "E_COMM";

const brand = Symbol.for("@cai/error");

/**
 * The one error of @cai packages: the message says what was expected, what came and what to do.
 *
 * Recognise it with {@link isCaiError}, which also holds across copies of this package and for errors made natively.
 */
export class CaiError extends Error {
  override readonly name = "CaiError";
  readonly code: CaiErrorCode;
  /** The operation or part that refused, such as `matmul` or `checkpoint`. */
  readonly op: string;

  constructor(code: CaiErrorCode, op: string, message: string, options?: { cause?: unknown }) {
    super(`${op}: ${message}`, options);
    this.code = code;
    this.op = op;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Whether `value` is a {@link CaiError} of any copy of this package. */
export function isCaiError(value: unknown): value is CaiError {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
}
