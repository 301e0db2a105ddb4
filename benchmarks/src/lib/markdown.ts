/** Columns but the first are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/**
 * Puts each part between `<!-- NAME -->` and `<!-- /NAME -->`.
 *
 * @throws RangeError where a text has no such place.
 */
export function replaceBetweenMarkers(text: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((whole, [name, part]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [whole.indexOf(begin), whole.indexOf(end)];
    if (from < 0 || to < from) throw new RangeError(`expected ${begin} and, after it, ${end} in the text`);
    return `${whole.slice(0, from + begin.length)}\n${part}\n${whole.slice(to)}`;
  }, text);
}
