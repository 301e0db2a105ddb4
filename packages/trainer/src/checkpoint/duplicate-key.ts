/**
 * The first key that an object of a JSON text has twice, in any nesting: JSON.parse silently keeps the last.
 *
 * @param text well-formed JSON.
 */
export function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  const token = /[{}]|"(?:[^"\\]|\\.)*"(\s*:)?/g;
  for (const [part, colon] of text.matchAll(token)) {
    if (part === "{") open.push(new Set());
    else if (part === "}") open.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(part.slice(0, -colon.length)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
