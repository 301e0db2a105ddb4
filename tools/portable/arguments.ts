import { CaiError } from "./error.js";

type AnyArray = Float32Array | Int32Array | Uint16Array | Uint8Array;

const prototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
const nameGetter = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)?.get as () => string | undefined;

/** The name of a typed array's type, whatever realm or subclass it is of; undefined for anything else. */
function typeName(value: unknown): string | undefined {
  return nameGetter.call(value);
}

/**
 * Refuses whatever is not one of the given typed arrays over plain memory: shared memory may change under the callee,
 * resizable memory may go away, detached memory is gone.
 *
 * @throws CaiError `E_ARGUMENT`.
 */
export function checkArray(value: unknown, name: string, types: readonly string[], op: string): void {
  const type = typeName(value);
  if (type === undefined || !types.includes(type)) {
    throw new CaiError("E_ARGUMENT", op, `${name} must be a ${types.join(" or ")}, got ${type ?? describe(value)}`);
  }
  const array = value as AnyArray;
  const buffer = array.buffer as ArrayBuffer & { readonly resizable?: boolean };
  const problem = isShared(buffer)
    ? "shared memory"
    : buffer.resizable
      ? "resizable memory"
      : array.length === 0 && isDetached(buffer)
        ? "detached memory"
        : undefined;
  if (problem) {
    throw new CaiError(
      "E_ARGUMENT",
      op,
      `${name} must be over an ArrayBuffer of fixed size, got ${problem}: copy it first`,
    );
  }
}

/** @throws CaiError `E_SHAPE` unless `array` has exactly `length` elements. */
export function checkLength(array: AnyArray, name: string, length: number, why: string, op: string): void {
  if (array.length !== length) {
    throw new CaiError("E_SHAPE", op, `${name} must have ${length} elements (${why}), got ${array.length}`);
  }
}

/** @throws CaiError `E_ARGUMENT` if two arrays share memory. */
export function checkApart(a: AnyArray, aName: string, b: AnyArray, bName: string, op: string): void {
  if (a.buffer !== b.buffer) return;
  if (a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength) {
    throw new CaiError("E_ARGUMENT", op, `${aName} and ${bName} must not overlap: use separate memory`);
  }
}

/** Whether two arrays are the same elements of the same memory. */
export function isSame(a: AnyArray, b: AnyArray): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.byteLength === b.byteLength;
}

/** @throws CaiError `E_ARGUMENT` unless `value` is one of `choices`. */
export function checkChoice(value: unknown, name: string, choices: readonly string[], op: string): void {
  if (typeof value !== "string" || !choices.includes(value)) {
    throw new CaiError("E_ARGUMENT", op, `${name} must be ${choices.join(" or ")}, got ${describe(value)}`);
  }
}

/** @throws CaiError `E_ARGUMENT` unless `value` is an object. */
export function checkOptions(value: unknown, op: string): void {
  if (typeof value !== "object" || value === null) {
    throw new CaiError("E_ARGUMENT", op, `options must be an object or left out, got ${describe(value)}`);
  }
}

/** @throws CaiError `E_ARGUMENT` unless `value` is a boolean. */
export function checkFlag(value: unknown, name: string, op: string): void {
  if (typeof value !== "boolean") {
    throw new CaiError("E_ARGUMENT", op, `${name} must be true or false, got ${describe(value)}`);
  }
}

/** @throws CaiError `E_ARGUMENT` unless `value` is an integer of 64 bits, as a bigint or a safe integer. */
export function checkWide(value: unknown, name: string, op: string): void {
  const valid =
    typeof value === "bigint"
      ? value >= 0n && value < 1n << 64n
      : Number.isSafeInteger(value) && (value as number) >= 0;
  if (!valid) {
    const expected = "a bigint from 0 to 2^64 - 1 or a non-negative safe integer";
    throw new CaiError("E_ARGUMENT", op, `${name} must be ${expected}, got ${describe(value)}`);
  }
}

/** @throws CaiError `E_ARGUMENT` unless `value` is a whole number from `from` to `to`. */
export function checkWhole(value: unknown, name: string, from: number, to: number, op: string): void {
  if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) return;
  throw new CaiError("E_ARGUMENT", op, `${name} must be a whole number from ${from} to ${to}, got ${describe(value)}`);
}

/** @throws CaiError `E_ARGUMENT` unless `value` is an array, or a typed array of numbers. */
export function checkList(value: unknown, name: string, op: string): void {
  const isView = ArrayBuffer.isView(value) && "length" in value;
  if (Array.isArray(value) || (isView && (value.length !== 0 || !isDetached(value.buffer as ArrayBuffer)))) return;
  throw new CaiError("E_ARGUMENT", op, `${name} must be an array, got ${isView ? "detached memory" : describe(value)}`);
}

/** A value as a message shows it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return `"${value.slice(0, 40)}"`;
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value);
  return typeof value === "function" ? "a function" : Array.isArray(value) ? "an array" : "an object";
}

function isShared(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer !== "undefined" && !isArrayBuffer(buffer);
}

const byteLengthGetter = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength")?.get as () => number;

/** Holds across realms; throws for a SharedArrayBuffer. */
function isArrayBuffer(buffer: ArrayBufferLike): boolean {
  try {
    byteLengthGetter.call(buffer);
    return true;
  } catch {
    return false;
  }
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}
