import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveRecipe } from "../src/config/index.js";
import { MetricsWriter, type RunSummary, writeReport } from "../src/metrics/index.js";
import { learningRate } from "../src/optim/schedule.js";
import { start } from "../src/recipes/start.js";

const executablePath = "/usr/bin/chromium";
const hostile = `</script><script>window.broken = true</script><!-- "'&\u2028 <b>`;
const folders: string[] = [];

const summary: RunSummary = {
  name: "start",
  finished: true,
  steps: 400,
  parameters: 4_394_240,
  tokens: 819_200,
  trainLoss: 3.55,
  valLoss: 3.6,
  bitsPerByte: 1.4,
  tokensPerSecond: 5000,
  seconds: 178,
  skippedSteps: 2,
  baselines: [
    { name: "interpolated bigram", bitsPerByte: 1.9, valLoss: 4.9 },
    { name: hostile, bitsPerByte: 3.4 },
  ],
  sample: { prompt: "Call me", text: hostile },
};

/** A run folder as a finished run leaves it. */
function runFolder(given: object | undefined = summary, steps = 400): string {
  const run = mkdtempSync(join(tmpdir(), "cai-report-"));
  folders.push(run);
  const recipe = resolveRecipe(start({ dataDir: hostile }));
  writeFileSync(join(run, "recipe.json"), JSON.stringify(recipe));
  if (given) writeFileSync(join(run, "summary.json"), JSON.stringify(given));
  const metrics = new MetricsWriter(run);
  for (let step = 1; step <= steps; step++) {
    const loss = 3.5 + 4.5 * Math.exp(-step / 60) + 0.1 * Math.sin(step * 7);
    const validation = step % 50 === 0 ? { valLoss: loss + 0.1 } : {};
    const gradNorm = step === 220 ? 40 : 1;
    const lr = learningRate(recipe, step);
    metrics.write({ step, loss, ...validation, lr, gradNorm, tokensPerSecond: 5000 + step, tokens: 2048 * step });
  }
  metrics.close();
  return run;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

describe("writeReport", () => {
  it("makes one file that refers to nothing else", () => {
    const path = writeReport(runFolder());
    const page = readFileSync(path, "utf8");
    expect(path).toMatch(/report\.html$/);
    expect(page).not.toMatch(/<(script|img|iframe)[^>]*\ssrc|<link[^>]*href="(?!data:,")|@import|url\(/);
    expect(page).not.toContain("</script><script>window");
    expect(page.length).toBeLessThan(300_000);
  });

  it("works without a summary, a recipe, metrics, or any of them", () => {
    const run = runFolder(undefined, 0);
    rmSync(join(run, "recipe.json"));
    rmSync(join(run, "metrics.jsonl"));
    expect(readFileSync(writeReport(run), "utf8")).toContain("No metrics yet.");
  });

  it("tells what the exchange of several ranks took, and draws the wait for it", () => {
    const exchange = {
      type: "squinch",
      mode: "sharded",
      bytesPerStep: 1.234e6,
      parameterBytesPerStep: 5600,
      exposedMs: 7.891,
    };
    const run = runFolder({ ...summary, ranks: 4, exchange }, 0);
    const metrics = new MetricsWriter(run);
    for (let step = 1; step <= 3; step++) metrics.write({ step, exposedMs: step });
    metrics.close();
    const page = readFileSync(writeReport(run), "utf8");
    for (const text of ["squinch, sharded", "1.23 MB", "5.6 kB", "7.89 ms", "Waiting for the exchange"]) {
      expect(page).toContain(text);
    }
    expect(readFileSync(writeReport(runFolder()), "utf8")).not.toMatch(/Ranks|Waiting for/);
  });

  it("names a damaged summary", () => {
    const run = runFolder({ ...summary, parameters: "many" });
    expect(() => writeReport(run)).toThrow(/summary\.json is no summary.*parameters/);
  });
});

describe("the report in a browser", () => {
  let browser: Browser;
  let path = "";
  const problems: string[] = [];

  beforeAll(async () => {
    if (!existsSync(executablePath)) {
      throw new Error(`these tests open pages with ${executablePath}: install the Debian package chromium`);
    }
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    path = writeReport(runFolder());
  });

  afterAll(() => browser?.close());

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) problems.push(`request of ${request.url()}`);
    });
    await page.goto(pathToFileURL(path).href);
    return page;
  }

  it("draws four charts from the file, with no error and no request", async () => {
    const page = await open();
    expect(await page.locator("figcaption").allInnerTexts()).toEqual([
      "Loss",
      "Learning rate",
      "Gradient norm",
      "Throughput",
    ]);
    expect(await page.locator("figure canvas").count()).toBe(4);
    const inked = await page.locator("canvas").evaluateAll((canvases) =>
      (
        canvases as unknown as { getContext(kind: string): { getImageData(...box: number[]): { data: Uint8Array } } }[]
      ).map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(100, 50, 300, 150);
        return data.some((value) => value !== 0);
      }),
    );
    expect(inked).toEqual([true, true, true, true]);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("shows the summary, the baselines, the sample and the recipe as text, whatever is in them", async () => {
    const page = await open();
    const tiles = await page.locator("dl.tiles > div").allInnerTexts();
    expect(tiles.map((tile) => tile.split("\n").filter((line) => line.trim() !== ""))).toEqual([
      ["Parameters", "4.39M"],
      ["Training tokens", "819K"],
      ["Training loss", "3.550", "nats per token"],
      ["Validation loss", "3.600", "nats per token"],
      ["Bits per byte", "1.400", "validation"],
      ["Speed", "5,000", "tokens per second"],
      ["Time", "2 min 58 s"],
      ["Skipped steps", "2", "gradient not finite"],
    ]);
    expect(await page.locator(".scroll tbody tr").count()).toBe(3);
    expect(await page.locator(".scroll tbody td").nth(8).textContent()).toBe(hostile);
    expect(await page.locator("blockquote").textContent()).toBe(`Call me${hostile}`);
    expect(await page.locator("details pre").isVisible()).toBe(false);
    await page.locator("details summary").click();
    expect(await page.locator("details pre").textContent()).toContain("numKvHeads: 1");
    expect(await page.evaluate("window.broken")).toBeUndefined();
    expect(problems).toEqual([]);
    await page.close();
  });

  it("tells the values under the pointer, and the last ones without it", async () => {
    const page = await open();
    const legend = page.locator("figure").first().locator(".u-legend .u-value");
    expect((await legend.allInnerTexts())[0]).toBe("400");
    const plot = page.locator("figure").first().locator(".u-over");
    const width = (await plot.boundingBox())?.width ?? 0;
    await plot.hover({ position: { x: width / 2, y: 50 } });
    await expect.poll(async () => Number((await legend.allInnerTexts())[0])).toBeLessThan(210);
    const [step, each, smoothed, validation] = (await legend.allInnerTexts()).map(Number);
    expect(step).toBeGreaterThan(190);
    // The series runs from 3.5 + 4.5 e^(-200/60), give or take its sine of 0.1.
    for (const value of [each, smoothed, validation]) expect(Math.abs((value as number) - 3.7)).toBeLessThan(0.35);
    const others = page.locator("figure").nth(1).locator(".u-legend .u-value").first();
    expect(await others.textContent()).toBe(String(step));
    await page.mouse.move(2, 2);
    await expect.poll(async () => (await legend.allInnerTexts())[0]).toBe("400");
    await page.close();
  });

  it("is dark for who likes it dark, also when that changes, and fits a phone", async () => {
    const background = (page: Page) => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const page = await open({ colorScheme: "light" });
    const light = await background(page);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await background(page)).not.toBe(light);
    expect(await page.locator("figure canvas").count()).toBe(4);
    await page.setViewportSize({ width: 360, height: 700 });
    const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    await expect.poll(() => page.evaluate(overflow)).toBe(0);
    expect(problems).toEqual([]);
    await page.close();
  });
});
