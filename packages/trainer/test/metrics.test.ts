import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { chartsOf, smooth } from "../src/metrics/charts.js";
import { MetricsWriter, readMetrics } from "../src/metrics/index.js";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newRun(): string {
  const folder = mkdtempSync(join(tmpdir(), "cai-metrics-"));
  folders.push(folder);
  return folder;
}

const file = (run: string) => join(run, "metrics.jsonl");

function writeSteps(run: string, from: number, to: number, after?: number): void {
  const writer = new MetricsWriter(run, after);
  for (let step = from; step <= to; step++) writer.write({ step, loss: 1 / step });
  writer.close();
}

const steps = (run: string) => readMetrics(run).map(({ step }) => step);

describe("MetricsWriter", () => {
  it("writes one JSON object a line, at once, with all that it was given", () => {
    const run = join(newRun(), "made", "too");
    const writer = new MetricsWriter(run);
    writer.write({ step: 1, loss: 2.5, lr: 1e-3, zMax: 3 });
    expect(readFileSync(file(run), "utf8")).toBe('{"step":1,"loss":2.5,"lr":0.001,"zMax":3}\n');
    writer.write({ step: 2, loss: Number.NaN, gradNorm: Number.POSITIVE_INFINITY });
    writer.sync();
    writer.close();
    expect(readMetrics(run)).toEqual([
      { step: 1, loss: 2.5, lr: 1e-3, zMax: 3 },
      { step: 2, loss: null, gradNorm: null },
    ]);
  });

  it("drops the steps after the checkpoint that a run goes on from, so that none is doubled", () => {
    const run = newRun();
    writeSteps(run, 1, 9);
    writeSteps(run, 6, 8, 5);
    expect(steps(run)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    writeSteps(run, 9, 9, 8);
    expect(steps(run)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("begins empty for a new run", () => {
    const run = newRun();
    writeSteps(run, 1, 3);
    writeSteps(run, 1, 1);
    expect(steps(run)).toEqual([1]);
  });

  it.each([
    ['{"step":4,"lo', "a torn line"],
    ['{"step":4}', "a line without its newline"],
    ["\0\0\0\0\n", "a line of zeros"],
  ])("goes on after %j, %s at the end", (torn) => {
    const run = newRun();
    writeSteps(run, 1, 3);
    appendFileSync(file(run), torn);
    writeSteps(run, 4, 5, 4);
    expect(steps(run)).toEqual([1, 2, 3, 4, 5]);
  });

  it("refuses to cut off good lines behind a bad one", () => {
    const run = newRun();
    writeFileSync(file(run), '{"step":1}\nbad\n{"step":3}\n');
    expect(() => new MetricsWriter(run, 3)).toThrow(/line 2 is no JSON object with a step/);
    expect(readFileSync(file(run), "utf8")).toContain('"step":3');
  });
});

describe("readMetrics", () => {
  it("gives nothing for a folder without metrics, and tolerates a torn last line", () => {
    const run = newRun();
    expect(readMetrics(run)).toEqual([]);
    writeFileSync(file(run), '{"step":1}\n{"step":2');
    expect(steps(run)).toEqual([1]);
    writeFileSync(file(run), '{"step":1}\n{"step":2}');
    expect(steps(run)).toEqual([1, 2]);
  });

  it.each(["null", "[]", "3", '{"loss":1}', '{"step":"1"}'])("names a line that is %s", (line) => {
    const run = newRun();
    writeFileSync(file(run), `{"step":1}\n${line}\n{"step":3}\n`);
    expect(() => readMetrics(run)).toThrow(/metrics\.jsonl: line 2 is no JSON object with a step/);
  });
});

describe("chartsOf", () => {
  const records = Array.from({ length: 100 }, (_, i) => ({ step: i + 1, loss: 5, lr: 1e-3, gradNorm: 1 }));

  it("leaves out what was not measured", () => {
    expect(chartsOf([])).toEqual([]);
    expect(chartsOf(records).map(({ title }) => title)).toEqual(["Loss", "Learning rate", "Gradient norm"]);
  });

  it("puts validation losses on the steps of the training losses, and on their own", () => {
    const [loss] = chartsOf([...records.slice(0, 3), { step: 4, valLoss: 6 }, { step: 6, loss: 4, valLoss: 7 }]);
    expect(loss?.x).toEqual([1, 2, 3, 4, 6]);
    expect(loss?.series.map(({ label }) => label)).toEqual(["training, each step", "training, smoothed", "validation"]);
    expect(loss?.series[0]?.values).toEqual([5, 5, 5, null, 4]);
    expect(loss?.series[2]?.values).toEqual([null, null, null, 6, 7]);
  });

  it("averages a long run down to a bounded number of points", () => {
    const long = Array.from({ length: 9001 }, (_, i) => ({ step: i + 1, loss: i % 5, valLoss: i === 777 ? 3 : null }));
    const [loss] = chartsOf(long);
    expect(loss?.x.length).toBeLessThanOrEqual(2001);
    expect(loss?.x).toContain(778);
    expect(loss?.series[0]?.values[0]).toBe(2);
    expect(loss?.x.at(-1)).toBe(9001);
  });

  it("takes a logarithmic scale when an outlier would flatten the rest", () => {
    const scale = (gradNorm: number) => chartsOf([...records, { step: 101, gradNorm }])[2]?.log;
    expect(scale(19)).toBe(false);
    expect(scale(21)).toBe(true);
    expect(chartsOf([...records, { step: 101, gradNorm: 50 }, { step: 102, gradNorm: 0 }])[2]?.log).toBe(false);
  });
});

describe("smooth", () => {
  it("keeps a constant and a straight line, and skips gaps", () => {
    expect(smooth(new Array<number>(50).fill(3))).toEqual(new Array<number>(50).fill(3));
    const line = smooth(Array.from({ length: 300 }, (_, i) => i));
    // Sums of a few integers below 2^53: exact; only the division rounds.
    for (let i = 0; i < 290; i++) expect(line[i]).toBeCloseTo(i, 9);
    expect(smooth([null, null])).toEqual([null, null]);
    expect(smooth([2, null, 2])).toEqual([2, 2, 2]);
  });

  it("shows no trace of an outlier", () => {
    const values = Array.from({ length: 300 }, (_, i) => (i === 150 ? 1e6 : 1));
    expect(smooth(values)).toEqual(new Array<number>(300).fill(1));
  });
});
