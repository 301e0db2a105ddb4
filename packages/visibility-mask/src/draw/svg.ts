import type { VisibilityMask } from "../mask.js";
import { type DrawOptions, type Grid, gridOf, grouped, legendOf, tickStep } from "./grid.js";

/** From hidden to visible: one hue, its steps told apart in grey too. */
const colours = ["#eceff3", "#bcd6ee", "#7fb2de", "#3f84c4", "#174a86"];
const ink = "#1f2937";
const top = 96;

export function toSvg(mask: VisibilityMask, options: DrawOptions = {}): string {
  const grid = gridOf(mask, options, 128, "visibilityMask.toSvg");
  const { size, labels, spans, title, summary } = grid;
  // Labels of tokens need a line of text each.
  const cell = Math.max(labels.length > 0 ? 14 : 1, Math.min(24, Math.floor(512 / Math.max(size, 1))));
  const side = size * cell;
  const head = labels.length > 0 ? 7 * longest(labels) : 0;
  const left = (labels.length > 0 ? 44 : 72) + head;
  const above = top + head;
  const tail = spans.length > 0 ? 24 + 7 * longest(spans.map(({ label }) => label)) : 16;
  const width = Math.max(left + side + tail, 24 + Math.ceil(6.6 * summary.length), grid.block > 1 ? 500 : 240);
  const height = above + side + 48;
  const parts = [
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(16, 26, title, 'font-size="15" font-weight="bold"'),
    text(16, 46, summary, 'fill="#4b5563"'),
    text(left + side / 2, 68, "key →", 'text-anchor="middle"'),
    text(0, 0, "← query", `text-anchor="middle" transform="translate(18 ${above + side / 2}) rotate(-90)"`),
    `<g transform="translate(${left} ${above})">`,
    ...drawCells(grid, cell),
    ...drawAxes(grid, cell),
    ...drawSpans(grid, cell),
    "</g>",
    ...drawLegend(grid, left, above + side + 20),
  ];
  const view = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const font = `font-family="system-ui, sans-serif" font-size="12" fill="${ink}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" ${view} ${font}>\n<title>${escaped(title)}</title>\n${parts.join("\n")}\n</svg>\n`;
}

/** A path for each shade; neighbours of one shade are one rectangle. */
function drawCells({ size, levels }: Grid, cell: number): string[] {
  const side = size * cell;
  const paths = colours.map(() => "");
  for (let r = 0; r < size; r++) {
    for (let c = 0, end = 0; c < size; c = end) {
      const level = levels[r * size + c] as number;
      for (end = c + 1; end < size && levels[r * size + end] === level; ) end++;
      const w = (end - c) * cell;
      paths[level] += `M${c * cell} ${r * cell}h${w}v${cell}h${-w}z`;
    }
  }
  const shades = paths.map((path, level) => (level > 0 && path ? `<path fill="${colours[level]}" d="${path}"/>` : ""));
  const lines = Array.from({ length: size - 1 }, (_, i) => `M0 ${(i + 1) * cell}h${side}M${(i + 1) * cell} 0v${side}`);
  const raster = cell >= 8 ? `<path stroke="#fff" d="${lines.join("")}"/>` : "";
  return [`<rect width="${side}" height="${side}" fill="${colours[0]}"/>`, ...shades, raster].filter(Boolean);
}

/** Tokens' labels where there are any, and numbers as close as they can be read. */
function drawAxes({ size, block, labels }: Grid, cell: number): string[] {
  const digits = grouped(Math.max(size - 1, 0) * block).length;
  const step = tickStep((7 * digits + 10) / cell);
  const at = (i: number) => (i + (block > 1 ? 0 : 0.5)) * cell;
  const grey = 'fill="#4b5563" font-size="11"';
  const ticks = labels.length > 0 ? [] : Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
  const numbers = ticks.map((i) => {
    const name = grouped(i * block);
    const beside = text(-8, at(i) + 4, name, `text-anchor="end" ${grey}`);
    return beside + text(at(i), -8, name, `text-anchor="middle" ${grey}`);
  });
  const names = labels.map((label, i) => {
    const over = `transform="translate(${at(i) + 4} -8) rotate(-90)"`;
    return text(-8, at(i) + 4, label, 'text-anchor="end"') + text(0, 0, label, over);
  });
  return [...numbers, ...names];
}

/** Where parts begin, and their names beside them where there is room for a line. */
function drawSpans({ size, block, spans }: Grid, cell: number): string[] {
  const side = size * cell;
  let free = Number.NEGATIVE_INFINITY;
  return spans.map(({ from, to, label }) => {
    const [a, b] = [(from / block) * cell, (to / block) * cell];
    const lines = `<path d="M0 ${a}H${side + 6}V${b}H0M${a} 0V${side}" fill="none" stroke="#6b7280" stroke-width=".6"/>`;
    const middle = (a + b) / 2 + 4;
    if (middle < free) return lines;
    free = middle + 13;
    return lines + text(side + 12, middle, label);
  });
}

function drawLegend(grid: Grid, left: number, y: number): string[] {
  let x = left;
  return legendOf(grid).map(({ level, name }) => {
    const swatch = `<rect x="${x}" y="${y}" width="14" height="14" fill="${colours[level]}" stroke="#9ca3af" stroke-width=".5"/>`;
    const drawn = swatch + text(x + 20, y + 11, name);
    x += 44 + 6.5 * name.length;
    return drawn;
  });
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const place = x === 0 && y === 0 ? "" : ` x="${round(x)}" y="${round(y)}"`;
  return `<text${place}${attributes && ` ${attributes}`}>${escaped(content)}</text>`;
}

function longest(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, name.length), 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
