import { describe, expect, it } from "vitest";
import { svgPlot } from "../src/lib/svg-plot.js";

const series = [
  {
    name: "a < b",
    points: [
      [0, 1],
      [10, 3],
    ] as const,
  },
  {
    name: "c & d",
    points: [
      [0, 2],
      [10, 2],
    ] as const,
  },
];

describe("svgPlot", () => {
  it("is told to who can't see it by the titles of its panels, each once", () => {
    const panel = { title: "loss & time", xLabel: "x", series };
    expect(svgPlot([panel, panel])).toContain("<title>loss &amp; time</title>");
  });

  it("lays each series' ends on the ends of the axes", () => {
    const svg = svgPlot([{ title: "t", xLabel: "x", series }]);
    expect(svg).toContain('d="M52 260L408 28"');
    expect(svg).toContain('d="M52 144L408 144"');
  });

  it("labels round numbers within the range only", () => {
    const svg = svgPlot([{ title: "t", xLabel: "x", series }]);
    const labels = [...svg.matchAll(/>(-?[\d.]+)</g)].map(([, text]) => Number(text));
    expect(labels).toEqual([1, 1.5, 2, 2.5, 3, 0, 2, 4, 6, 8, 10]);
  });

  it("names every series once for all panels, in text that is safe", () => {
    const svg = svgPlot([
      { title: "one", xLabel: "x", series },
      { title: "two", xLabel: "x", series },
    ]);
    expect(svg.match(/a &lt; b/g)).toHaveLength(1);
    expect(svg.match(/c &amp; d/g)).toHaveLength(1);
    expect(svg.match(/<path[^>]*stroke-width="1.5"/g)).toHaveLength(4);
  });

  it("draws a series that never changes", () => {
    const flat = svgPlot([
      {
        title: "t",
        xLabel: "x",
        series: [
          {
            name: "flat",
            points: [
              [0, 5],
              [1, 5],
            ],
          },
        ],
      },
    ]);
    expect(flat).not.toContain("NaN");
  });
});
