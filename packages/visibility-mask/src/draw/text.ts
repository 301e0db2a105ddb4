import type { VisibilityMask } from "../mask.js";
import { type DrawOptions, type Grid, gridOf, grouped, legendOf, tickStep } from "./grid.js";

// Two characters a cell, so that it comes out about square.
const cells = ["· ", "░░", "▒▒", "▓▓", "██"];
const corner = "query ↓  key →";

export function toText(mask: VisibilityMask, options: DrawOptions = {}): string {
  const grid = gridOf(mask, options, 32, "visibilityMask.toText");
  const { size, levels, title, summary } = grid;
  const heads = rowHeads(grid);
  const width = Math.max(corner.length, ...heads.map((head) => head.length));
  const rows = heads.map((head, r) => {
    const line = Array.from(levels.subarray(r * size, (r + 1) * size), (level) => cells[level]).join("");
    return `${head.padStart(width)} ${line}${spansAt(grid, r)}`.trimEnd();
  });
  const legend = legendOf(grid).map(({ level, name }) => `${cells[level]} ${name}`);
  return [title, summary, `${corner.padStart(width)} ${keyNumbers(grid)}`, ...rows, legend.join("   "), ""].join("\n");
}

/** The label and number of the first token of every row of cells. */
function rowHeads({ size, block, labels }: Grid): string[] {
  const digits = grouped(Math.max(size - 1, 0) * block).length;
  return Array.from({ length: size }, (_, r) => `${labels[r] ?? ""} ${grouped(r * block).padStart(digits)}`.trim());
}

function keyNumbers({ size, block }: Grid): string {
  const step = tickStep((grouped(Math.max(size - 1, 0) * block).length + 1) / 2);
  const numbers = Array.from({ length: Math.ceil(size / step) }, (_, i) => grouped(i * step * block).padEnd(2 * step));
  return numbers.join("").trimEnd();
}

/** The names of the parts that begin in a row of cells. */
function spansAt({ block, spans }: Grid, r: number): string {
  const begun = spans.filter(({ from }) => Math.floor(from / block) === r);
  return begun.length > 0 ? `  ${begun.map(({ label }) => label).join(", ")}` : "";
}
