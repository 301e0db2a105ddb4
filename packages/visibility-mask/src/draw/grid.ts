import { checkWhole, describe } from "@cai/portable/arguments";
import { countBlocks } from "../blocks.js";
import type { ViewOptions, VisibilityMask } from "../mask.js";
import { refuse, windowOf } from "../refuse.js";

/** A part of a row with a name, such as a document: tokens [from, to). */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

export interface DrawOptions extends ViewOptions {
  /** Which row of the batch, 0 when absent. */
  readonly row?: number;
  /** Most cells across, 32 in text and 128 in SVG when absent: with more tokens, a cell is a block of 2, 4, 8… of them. */
  readonly cells?: number;
  /** A label for each token, shown where each has a cell of its own. */
  readonly labels?: readonly string[];
  /** Named parts of the row. */
  readonly spans?: readonly Span[];
  /** In place of the number of tokens. */
  readonly title?: string;
}

/** A mask in as many cells as fit: how much of each is visible, and the words around it. */
export interface Grid {
  /** Cells across and down. */
  readonly size: number;
  /** Tokens a cell, a power of two. */
  readonly block: number;
  /** [size, size], query by key: 0 none, 1 under a third, 2 under two thirds, 3 more, 4 all. */
  readonly levels: Uint8Array;
  readonly title: string;
  readonly summary: string;
  /** One for each token, or empty. */
  readonly labels: readonly string[];
  readonly spans: readonly Span[];
}

export function gridOf(mask: VisibilityMask, options: DrawOptions, mostCells: number, op: string): Grid {
  const window = windowOf(options, op);
  const { row = 0, cells = mostCells, labels = [], spans = [], title } = options;
  const { batchSize, seqLen } = mask;
  checkWhole(row, "row", 0, batchSize - 1, op);
  checkWhole(cells, "cells", 1, 4096, op);
  checkWords(labels, spans, title, seqLen, op);
  let block = 1;
  while (block * cells < seqLen) block *= 2;
  const { size, levels, visible } = shade(mask, row, window, block);
  const words = [
    title === undefined ? `${grouped(seqLen)} ${seqLen === 1 ? "token" : "tokens"}` : escaped(title),
    batchSize > 1 ? `row ${row} of ${batchSize}` : "",
    window > 0 ? `window ${grouped(window)}` : "",
  ];
  const percent = ((100 * visible) / Math.max(seqLen * seqLen, 1)).toFixed(1);
  const each = block > 1 ? `; a cell is ${block} × ${block} tokens, shaded by the share visible` : "";
  return {
    size,
    block,
    levels,
    title: words.filter(Boolean).join(", "),
    summary: `${grouped(visible)} of ${grouped(seqLen * seqLen)} pairs visible, ${percent} %${each}`,
    labels: block === 1 ? labels.map((label) => shown(label).replaceAll(" ", "␣")) : [],
    spans: spans.map(({ from, to, label }) => ({ from, to, label: shown(label) })),
  };
}

function shade(mask: VisibilityMask, row: number, window: number, block: number) {
  const size = Math.ceil(mask.seqLen / block);
  const levels = new Uint8Array(size * size);
  const tokens = (cell: number) => Math.min(block, mask.seqLen - cell * block);
  let visible = 0;
  countBlocks(mask, { row, queryBlock: block, keyBlock: block, window }, (column, counts) => {
    for (let r = 0; r < size; r++) {
      const count = counts[r] as number;
      const share = count / (tokens(r) * tokens(column));
      levels[r * size + column] = share === 0 || share === 1 ? 4 * share : 1 + Math.floor(3 * share);
      visible += count;
    }
  });
  return { size, levels, visible };
}

function checkWords(
  labels: readonly string[],
  spans: readonly Span[],
  title: string | undefined,
  seqLen: number,
  op: string,
): void {
  const isText = (value: unknown) => typeof value === "string";
  if (title !== undefined && !isText(title)) refuse(op, `title must be text, got ${describe(title)}`);
  if (!Array.isArray(labels) || !labels.every(isText) || (labels.length > 0 && labels.length !== seqLen)) {
    refuse(op, `labels must be ${seqLen} strings, one for each token`);
  }
  const inRow = (span: Span) => {
    const { from, to, label } = span ?? {};
    return [from, to].every(Number.isInteger) && 0 <= from && from < to && to <= seqLen && isText(label);
  };
  const odd = Array.isArray(spans) ? spans.findIndex((span) => !inRow(span)) : 0;
  if (!Array.isArray(spans) || odd >= 0) {
    const expected = `an array of { from, to, label } with 0 ≤ from < to ≤ ${seqLen}`;
    refuse(op, `spans must be ${expected}; element ${odd} is not`);
  }
}

/** The levels that its cells can have, with their names. */
export function legendOf({ block }: Grid): { readonly level: number; readonly name: string }[] {
  const names = ["hidden", "under ⅓ visible", "under ⅔", "over ⅔", block > 1 ? "all" : "visible"];
  return names.map((name, level) => ({ level, name })).filter(({ level }) => block > 1 || level % 4 === 0);
}

/** At most 24 characters, control characters as escapes. */
function shown(label: string): string {
  const characters = [...escaped(label)];
  return characters.length > 24 ? `${characters.slice(0, 23).join("")}…` : characters.join("");
}

function escaped(label: string): string {
  const text = JSON.stringify(label)
    .slice(1, -1)
    .replace(/\\(["\\])/g, "$1");
  return text.replace(/[\x7f-\x9f\ufffe\uffff]/g, "\ufffd");
}

/** With a comma between thousands. */
export function grouped(value: number): string {
  return value.toLocaleString("en-GB");
}

/** How many cells apart axes are numbered, a power of two from `least` on. */
export function tickStep(least: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(least)));
}
