// @ts-check

/**
 * Draws the charts of a training report. Runs in the page, after uPlot.
 *
 * @typedef {import("../src/metrics/charts.js").Chart} Chart
 * @typedef {Chart["series"][number]["look"]} Look
 */

(() => {
  const charts = /** @type {Chart[]} */ (JSON.parse(element("report-data").textContent ?? "[]"));
  const place = element("charts");
  const height = 250;

  /** @param {string} id */
  function element(id) {
    const found = document.getElementById(id);
    if (!found) throw new Error(`the page lacks #${id}`);
    return found;
  }

  /** @param {string} name */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  /**
   * @param {Chart["style"]} style
   * @param {number | null | undefined} value
   */
  function write(style, value) {
    if (value === null || value === undefined) return "–";
    if (style === "count") return Math.round(value).toLocaleString("en");
    return style === "fixed" ? value.toFixed(4) : brief(value);
  }

  /** Three significant digits, with an exponent for the very small and large. @param {number} value */
  function brief(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size < 1e-2 || size >= 1e5 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  }

  /** One style for all ticks of an axis. @param {(number | null)[]} values */
  function tickLabels(values) {
    const thousands = values.some((value) => Math.abs(value ?? 0) >= 1e4);
    return values.map((value) => (value === null ? "" : tick(value, thousands)));
  }

  /** @param {number} value @param {boolean} thousands */
  function tick(value, thousands) {
    if (thousands) return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 });
    if (Math.abs(value) >= 1e-2 || value === 0) return String(Number(value.toPrecision(6)));
    return Number(value.toPrecision(3)).toExponential();
  }

  /** @param {Look | undefined} look */
  function strokeOf(look) {
    if (look === undefined) return "transparent";
    return colour({ faint: "train-faint", line: "train", points: "validation" }[look]);
  }

  /** @param {Look} look @returns {Partial<uPlot.Series>} */
  function styleOf(look) {
    const stroke = strokeOf(look);
    if (look === "points") return { stroke, width: 2, points: { show: true, size: 7, fill: stroke, stroke } };
    return { stroke, width: look === "faint" ? 1 : 2, points: { show: false } };
  }

  /** The value at a step; of what is measured seldom, the last one up to there. */
  function valueAt(/** @type {Chart["series"][number]} */ { look, values }, /** @type {number | null} */ index) {
    if (index === null) return null;
    let at = index;
    if (look === "points") while (at > 0 && values[at] === null) at--;
    return values[at];
  }

  /** @param {Chart["series"][number]} series @param {Chart["style"]} style @returns {uPlot.Series} */
  function seriesOf(series, style) {
    return {
      ...styleOf(series.look),
      label: series.label,
      spanGaps: true,
      value: (_plot, _value, _series, index) => write(style, valueAt(series, index)),
    };
  }

  /** With the pointer elsewhere the legend tells the last values. @param {uPlot} plot */
  function showLast(plot) {
    const last = plot.data[0].length - 1;
    if (typeof plot.cursor.idx !== "number" && last >= 0) plot.setLegend({ idx: last }, false);
  }

  /** @param {number[]} splits */
  function powersOfTen(splits) {
    return splits.map((value) => (Math.abs(Math.log10(value) % 1) < 1e-9 ? value : null));
  }

  /** @param {string} label @param {number} size @param {boolean} log @returns {uPlot.Axis} */
  function axis(label, size, log) {
    const stroke = colour("muted");
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return {
      label,
      size,
      stroke,
      font,
      labelFont: font,
      labelSize: 20,
      grid: { stroke: colour("grid"), width: 1, filter: (_plot, splits) => (log ? powersOfTen(splits) : splits) },
      ticks: { show: false },
      values: (_plot, splits) => tickLabels(splits),
    };
  }

  /** @param {Chart} chart @param {HTMLElement} figure */
  function draw(chart, figure) {
    /** @type {uPlot.Options} */
    const options = {
      width: figure.clientWidth,
      height,
      pxAlign: false,
      cursor: { sync: { key: "report" }, drag: { x: true, y: false }, points: { size: 7 } },
      legend: { markers: { width: 0, fill: (_plot, i) => strokeOf(chart.series[i - 1]?.look) } },
      scales: { x: { time: false }, y: chart.log ? { distr: 3 } : {} },
      axes: [axis("step", 30, false), axis(chart.yLabel, 54, chart.log)],
      series: [
        { label: "step", value: (_plot, value) => (value === null ? "–" : value.toLocaleString("en")) },
        ...chart.series.map((series) => seriesOf(series, chart.style)),
      ],
      hooks: { ready: [showLast], setCursor: [showLast] },
    };
    const data = /** @type {uPlot.AlignedData} */ ([chart.x, ...chart.series.map(({ values }) => values)]);
    return new uPlot(options, data, figure);
  }

  for (const chart of charts) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const canvas = document.createElement("div");
    caption.textContent = chart.title;
    figure.append(caption, canvas);
    place.append(figure);
    let plot = draw(chart, canvas);
    new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height })).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      plot.destroy();
      plot = draw(chart, canvas);
    });
  }
})();
