import { z } from "zod";

/*
 * Builders of leaf schemas. The error text of each is the whole of what it accepts, so that a message can say
 * "expected <text>, got <value>" whichever check failed. A failed check aborts, so that a wrong value is not also
 * compared with the fields beside it.
 */

/** An integer from `min` to `max`. */
export function integer(min: number, max: number) {
  const options = { error: `an integer from ${min} to ${max}`, abort: true };
  return z.number(options).int(options).min(min, options).max(max, options);
}

/** A finite number from `min` to `max`. */
export function number(min: number, max: number) {
  const options = { error: `a number from ${min} to ${max}`, abort: true };
  return z.number(options).min(min, options).max(max, options);
}

/** A number above 0, at most `max`. */
export function positive(max: number) {
  const options = { error: `a number above 0 and at most ${max}`, abort: true };
  return z.number(options).gt(0, options).max(max, options);
}

/** A number from 0 up to, but not, 1. */
export function fraction() {
  const options = { error: "a number from 0 to below 1", abort: true };
  return z.number(options).min(0, options).lt(1, options);
}

/** One of a few words. */
export function choice<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words, { error: `one of ${words.join(", ")}` });
}

/** true or false. */
export function flag() {
  return z.boolean({ error: "true or false" });
}

/** A name fit for a folder: letters, digits, dot, dash and underscore, not starting with a mark. */
export function folderName() {
  const options = {
    error: "1 to 100 letters, digits, dots, dashes or underscores, starting with a letter or digit",
    abort: true,
  };
  return z.string(options).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, options);
}

/** A path; not empty. */
export function path() {
  const options = { error: "a path", abort: true };
  return z.string(options).min(1, options);
}
