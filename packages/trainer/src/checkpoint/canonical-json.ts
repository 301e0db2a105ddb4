import { CaiError } from "@cai/native";

/**
 * JSON with sorted keys and no spaces: equal values give equal bytes. Members that are undefined are left out.
 *
 * @param where names the value in messages.
 * @throws CaiError `E_ARGUMENT` for what JSON would silently change: NaN, infinities, bigints, functions, class instances.
 */
export function canonicalJson(value: unknown, where: string): string {
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return Object.is(value, -0) ? "-0" : JSON.stringify(value);
  if (Array.isArray(value)) {
    return `[${value.map((item, i) => canonicalJson(item, `${where}[${i}]`)).join(",")}]`;
  }
  if (isPlainObject(value)) {
    const members = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key], `${where}.${key}`)}`);
    return `{${members.join(",")}}`;
  }
  const kind = typeof value === "object" ? `a ${value.constructor?.name}` : String(value);
  throw new CaiError("E_ARGUMENT", "checkpoint", `${where}: expected a plain JSON value, got ${kind}`);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
