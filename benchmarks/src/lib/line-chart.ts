// A line chart on logarithmic axes as an SVG.

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartText {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

const size = { width: 770, height: 430 };
const area = { left: 84, right: 600, top: 52, bottom: 370 };
/** Okabe and Ito's palette, which the colour-blind tell apart. */
const colours = ["#000000", "#d55e00", "#0072b2", "#e69f00", "#009e73"];
const lineHeight = 17;

/** Every series ends in its name. @param xTicks where the x axis is labelled. */
export function lineChart(series: readonly Series[], xTicks: readonly number[], text: ChartText): string {
  const all = series.flatMap(({ points }) => points);
  const x = scale(range(all.map(([value]) => value)), [area.left, area.right]);
  const yTicks = decimalTicks(range(all.map(([, value]) => value)));
  const y = scale([yTicks[0] as number, yTicks.at(-1) as number], [area.bottom, area.top]);
  const middle = (area.top + area.bottom) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="sans-serif" font-size="13" fill="#222">`,
    `<title>${text.title}</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${area.left}" y="26" font-size="16" font-weight="bold">${text.title}</text>`,
    ...yTicks.map((tick) => gridLine(area.left, y(tick), area.right, y(tick))),
    ...yTicks.map(
      (tick) => `<text x="${area.left - 8}" y="${round(y(tick) + 4)}" text-anchor="end">${label(tick)}</text>`,
    ),
    ...xTicks.map((tick) => gridLine(x(tick), area.top, x(tick), area.bottom)),
    ...xTicks.map(
      (tick) => `<text x="${round(x(tick))}" y="${area.bottom + 20}" text-anchor="middle">${label(tick)}</text>`,
    ),
    `<text x="${(area.left + area.right) / 2}" y="${area.bottom + 44}" text-anchor="middle">${text.x}</text>`,
    `<text x="20" y="${middle}" text-anchor="middle" transform="rotate(-90 20 ${middle})">${text.y}</text>`,
    ...series.map(({ points }, i) =>
      polyline(
        points.map(([a, b]) => [x(a), y(b)]),
        colourOf(i),
      ),
    ),
    ...nameTags(series, y),
    "</svg>",
    "",
  ].join("\n");
}

function polyline(points: readonly (readonly [number, number])[], colour: string): string {
  const path = points.map((point) => point.map(round).join(",")).join(" ");
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.2" stroke-linejoin="round"/>`;
}

/** Names beside the lines' ends, moved apart where the ends are close. */
function nameTags(series: readonly Series[], y: (value: number) => number): string[] {
  const ends = series.map(({ name, points }, i) => ({ name, i, end: y(points.at(-1)?.[1] ?? 1) }));
  let last = Number.NEGATIVE_INFINITY;
  const placed = ends
    .toSorted((a, b) => a.end - b.end)
    .map((tag) => {
      last = Math.max(tag.end, last + lineHeight);
      return { ...tag, at: last };
    });
  const below = Math.max(0, (placed.at(-1)?.at ?? 0) - area.bottom);
  return placed.flatMap(({ name, i, end, at }) => [
    `<line x1="${area.right}" y1="${round(end)}" x2="${area.right + 12}" y2="${round(at - below)}" stroke="${colourOf(i)}"/>`,
    `<text x="${area.right + 16}" y="${round(at - below + 4)}" fill="${colourOf(i)}">${name}</text>`,
  ]);
}

function gridLine(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#ddd"/>`;
}

function colourOf(index: number): string {
  return colours[index % colours.length] as string;
}

function range(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function scale([from, to]: readonly [number, number], [begin, end]: readonly [number, number]) {
  return (value: number) => begin + ((end - begin) * Math.log(value / from)) / Math.log(to / from);
}

/** 1, 2 and 5 of every power of ten around the range. */
export function decimalTicks([least, most]: readonly [number, number]): number[] {
  const first = Math.floor(Math.log10(least));
  const candidates = Array.from({ length: Math.ceil(Math.log10(most)) - first + 1 }, (_, i) =>
    [1, 2, 5].map((digit) => Number(`${digit}e${first + i}`)),
  ).flat();
  const begin = candidates.findLastIndex((tick) => tick <= least);
  const end = candidates.findIndex((tick) => tick >= most);
  return candidates.slice(Math.max(begin, 0), Math.max(end, begin + 1) + 1);
}

function label(value: number): string {
  return value.toLocaleString("en-GB", { maximumFractionDigits: 6 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
