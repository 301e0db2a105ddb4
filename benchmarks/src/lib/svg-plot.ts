/** A line of a plot. */
export interface PlotSeries {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface PlotPanel {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly PlotSeries[];
}

const panelWidth = 420;
const height = 300;
const margin = { left: 52, right: 12, top: 28, bottom: 40 };
const colours = ["#1b1b1b", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const legendLine = 16;

/** Panels beside each other, one legend beneath: series of the same place in each panel have the same colour. */
export function svgPlot(panels: readonly PlotPanel[]): string {
  const names = panels[0]?.series.map(({ name }) => name) ?? [];
  const width = panelWidth * panels.length;
  const perLine = 3 * panels.length;
  const total = height + legendLine * Math.ceil(names.length / perLine) + 8;
  const legend = names.map((name, i) => {
    const [x, y] = [
      margin.left + ((i % perLine) * (width - margin.left)) / perLine,
      height + legendLine * (Math.floor(i / perLine) + 0.5),
    ];
    const mark = `<path d="M${x} ${y}h14" stroke="${colours[i % colours.length]}" stroke-width="2"/>`;
    return `${mark}<text x="${x + 18}" y="${y + 4}">${escapeText(name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" font-family="sans-serif" font-size="11" fill="#1b1b1b">`,
    `<title>${escapeText([...new Set(panels.map(({ title }) => title))].join("; "))}</title>`,
    `<rect width="${width}" height="${total}" fill="#fff"/>`,
    ...panels.map((panel, i) => `<g transform="translate(${i * panelWidth} 0)">${panelBody(panel)}</g>`),
    ...legend,
    "</svg>\n",
  ].join("\n");
}

function panelBody({ title, xLabel, series }: PlotPanel): string {
  const points = series.flatMap((one) => one.points);
  const x = axis(
    points.map(([value]) => value),
    margin.left,
    panelWidth - margin.right,
  );
  const y = axis(
    points.map(([, value]) => value),
    height - margin.bottom,
    margin.top,
  );
  const lines = series.map((one, i) => {
    const path = one.points.map(([px, py], n) => `${n === 0 ? "M" : "L"}${x.at(px)} ${y.at(py)}`).join("");
    return `<path d="${path}" fill="none" stroke="${colours[i % colours.length]}" stroke-width="1.5"/>`;
  });
  const across = y.ticks.map((tick) => {
    const grid = `<path d="M${margin.left} ${y.at(tick)}H${panelWidth - margin.right}" stroke="#ddd"/>`;
    return `${grid}<text x="${margin.left - 5}" y="${y.at(tick) + 4}" text-anchor="end">${label(tick)}</text>`;
  });
  const along = x.ticks.map((tick) => {
    return `<text x="${x.at(tick)}" y="${height - margin.bottom + 15}" text-anchor="middle">${label(tick)}</text>`;
  });
  const centre = (margin.left + panelWidth - margin.right) / 2;
  return [
    `<text x="${margin.left}" y="16" font-weight="bold">${escapeText(title)}</text>`,
    ...across,
    ...along,
    `<text x="${centre}" y="${height - 8}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    ...lines,
  ].join("\n");
}

/** From values to pixels, with round ticks that enclose nothing but the values' range. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.min(...values);
  const high = Math.max(...values, low + 1e-9);
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const ticks = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, at: (value: number) => Number((from + ((value - low) / (high - low)) * (to - from)).toFixed(1)) };
}

function label(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
