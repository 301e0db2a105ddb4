import type { MetricsRecord } from "./record.js";

/** How a value is written: `fixed` 1.2345, `count` 12,345, `short` 3 significant digits. */
type NumberStyle = "fixed" | "count" | "short";

/** One line of a chart; a null is a gap. */
export interface Series {
  readonly label: string;
  /** `faint` lies behind `line`; `points` has marks, for what is measured seldom. */
  readonly look: "line" | "faint" | "points";
  readonly values: readonly (number | null)[];
}

/** What the report's script needs to draw one chart. */
export interface Chart {
  readonly title: string;
  readonly yLabel: string;
  readonly style: NumberStyle;
  readonly log: boolean;
  readonly x: readonly number[];
  readonly series: readonly Series[];
}

type Field = "loss" | "valLoss" | "lr" | "gradNorm" | "tokensPerSecond" | "exposedMs";
type Points = { x: number[]; y: (number | null)[] };

/** Points of a series that a chart draws; a longer one is averaged down to this many. */
const maxPoints = 2000;

/** The charts of a report; one without any value is left out. */
export function chartsOf(records: readonly MetricsRecord[]): Chart[] {
  const charts = [
    lossChart(records),
    plain(records, "lr", { title: "Learning rate", yLabel: "learning rate", style: "short" }),
    noisy(records, "gradNorm", { title: "Gradient norm", yLabel: "L2 norm before clipping", style: "short" }),
    noisy(records, "tokensPerSecond", { title: "Throughput", yLabel: "tokens per second", style: "count" }),
    noisy(records, "exposedMs", { title: "Waiting for the exchange", yLabel: "ms a step", style: "short" }),
  ];
  return charts.filter(({ series }) => series.some(({ values }) => values.some((value) => value !== null)));
}

/** How many records one drawn point stands for. */
export function recordsPerPoint(records: readonly MetricsRecord[]): number {
  return Math.max(1, Math.ceil(records.length / maxPoints));
}

function lossChart(records: readonly MetricsRecord[]): Chart {
  const training = pointsOf(records, "loss");
  const validation = new Map(
    records.flatMap(({ step, valLoss }) => (isNumber(valLoss) ? [[step, valLoss] as const] : [])),
  );
  const x = [...new Set([...training.x, ...validation.keys()])].sort((a, b) => a - b);
  const on = (values: Map<number, number | null>) => x.map((step) => values.get(step) ?? null);
  const series: Series[] = [
    { label: "training, each step", look: "faint", values: on(byStep(training.x, training.y)) },
    { label: "training, smoothed", look: "line", values: on(byStep(training.x, smooth(training.y))) },
  ];
  if (validation.size > 0) series.push({ label: "validation", look: "points", values: on(validation) });
  return { title: "Loss", yLabel: "nats per token", style: "fixed", log: false, x, series };
}

function byStep(steps: readonly number[], values: readonly (number | null)[]): Map<number, number | null> {
  return new Map(steps.map((step, i) => [step, values[i] ?? null]));
}

type Words = Pick<Chart, "title" | "yLabel" | "style">;

function plain(records: readonly MetricsRecord[], field: Field, words: Words): Chart {
  const { x, y } = pointsOf(records, field);
  return { ...words, log: false, x, series: [{ label: words.title.toLowerCase(), look: "line", values: y }] };
}

function noisy(records: readonly MetricsRecord[], field: Field, words: Words): Chart {
  const { x, y } = pointsOf(records, field);
  const name = words.title.toLowerCase();
  const series: Series[] = [
    { label: `${name}, each step`, look: "faint", values: y },
    { label: "smoothed", look: "line", values: smooth(y) },
  ];
  return { ...words, log: spansDecades(y), x, series };
}

/** A few outliers would press everything else flat on a linear scale. */
function spansDecades(values: readonly (number | null)[]): boolean {
  const sorted = values.filter(isNumber).sort((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  return least > 0 && most > 20 * median;
}

/** The values of one field by step, averaged over runs of records when there are too many. */
function pointsOf(records: readonly MetricsRecord[], field: Field): Points {
  const size = recordsPerPoint(records);
  const points: Points = { x: [], y: [] };
  for (let start = 0; start < records.length; start += size) {
    const group = records.slice(start, start + size);
    points.x.push(group.at(-1)?.step ?? 0);
    points.y.push(mean(group.map((record) => record[field]).filter(isNumber)));
  }
  return points;
}

/**
 * A moving mean of the middle half of a thirtieth of the values: outliers leave no trace, and being centred it does not
 * lag. It narrows toward the start, where the loss falls steeply, and is cut off at the end.
 */
export function smooth(values: readonly (number | null)[]): (number | null)[] {
  const half = Math.max(2, Math.round(values.length / 60));
  return values.map((_, i) => {
    const reach = Math.min(half, i);
    return middleMean(values.slice(i - reach, i + reach + 1).filter(isNumber));
  });
}

function middleMean(values: number[]): number | null {
  const cut = Math.floor(values.length / 4);
  return mean(values.sort((a, b) => a - b).slice(cut, values.length - cut));
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
