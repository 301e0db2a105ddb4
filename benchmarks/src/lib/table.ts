import type { Cell } from "./bench.js";

type Row = Readonly<Record<string, Cell>>;

/** Rows as an aligned table, numbers to the right; rows with other keys start a table of their own. */
export function formatTable(rows: readonly Row[]): string {
  const tables: Row[][] = [];
  for (const row of rows) {
    const last = tables.at(-1);
    if (last?.[0] && Object.keys(last[0]).join() === Object.keys(row).join()) last.push(row);
    else tables.push([row]);
  }
  return tables.map(formatUniform).join("\n\n");
}

function formatUniform(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {}).map((key) => {
    const cells = [key, ...rows.map((row) => formatCell(row[key] ?? null))];
    const width = Math.max(...cells.map((cell) => cell.length));
    const isNumeric = rows.every((row) => typeof row[key] !== "string");
    return cells.map((cell) => (isNumeric ? cell.padStart(width) : cell.padEnd(width)));
  });
  return Array.from({ length: rows.length + 1 }, (_, line) =>
    columns
      .map((column) => column[line])
      .join("  ")
      .trimEnd(),
  ).join("\n");
}

/** Four significant digits to look at; the file keeps them all. */
function formatCell(value: Cell): string {
  if (typeof value !== "number" || Number.isInteger(value)) return value === null ? "-" : String(value);
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  return size < 1e-3 ? value.toExponential(3) : value.toPrecision(4);
}
