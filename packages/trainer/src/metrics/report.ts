import { existsSync } from "node:fs";
import { join } from "node:path";
import { stringify as toYaml } from "yaml";
import { readRecipeFile } from "../config/read-recipe-file.js";
import { writeFileAtomically } from "../data/atomic-file.js";
import { readAsset, readDependency } from "./assets.js";
import { chartsOf, recordsPerPoint } from "./charts.js";
import { codeScript, type Html, html, jsonScript, styleElement } from "./html.js";
import { readMetrics } from "./metrics-file.js";
import { type RunSummary, readSummary, summarise } from "./summary.js";
import { summarySections } from "./summary-sections.js";

/**
 * Writes report.html into a run folder: plots of metrics.jsonl, a summary and the resolved recipe (recipe.json), in one
 * file that needs no network. May be called at any time of a run; the file is replaced in one step.
 *
 * @param summary what the metrics don't tell; the summary.json of the run folder when absent.
 * @returns the path of the report.
 * @throws CaiError `E_FORMAT` when metrics.jsonl or summary.json is damaged, `E_CONFIG` when recipe.json is.
 */
export function writeReport(runDir: string, summary: Partial<RunSummary> = readSummary(runDir)): string {
  const records = readMetrics(runDir);
  const recipe = readRecipe(runDir);
  const page = reportPage({
    title: typeof recipe?.name === "string" ? recipe.name : "run",
    lastStep: records.at(-1)?.step ?? 0,
    steps: typeof recipe?.steps === "number" ? recipe.steps : undefined,
    summary: { ...summarise(records), ...summary },
    charts: chartsOf(records),
    recordsPerPoint: recordsPerPoint(records),
    recipe: recipe && toYaml(recipe),
  });
  const path = join(runDir, "report.html");
  writeFileAtomically(path, page.markup);
  return path;
}

interface Content {
  readonly title: string;
  readonly lastStep: number;
  readonly steps: number | undefined;
  readonly summary: Partial<RunSummary>;
  readonly charts: ReturnType<typeof chartsOf>;
  readonly recordsPerPoint: number;
  readonly recipe: string | undefined;
}

function reportPage(content: Content): Html {
  const { title, charts, recipe } = content;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · training report</title>
<link rel="icon" href="data:,">
${styleElement(readDependency("uplot/dist/uPlot.min.css"))}
${styleElement(readAsset("report.css"))}
</head>
<body>
<main>
<header><h1>${title}</h1><p>${progressWords(content)}</p></header>
${summarySections(content.summary)}
<section>
<h2>Training</h2>
${charts.length === 0 ? html`<p class="note">No metrics yet.</p>` : html`<p class="note">${chartWords(content)}</p>`}
<div class="charts" id="charts"></div>
<noscript><p class="note">The plots are drawn by a script in this file, and scripts are switched off.</p></noscript>
</section>
${recipe !== undefined && html`<section><details><summary>Resolved recipe</summary><pre>${recipe}</pre></details></section>`}
</main>
${jsonScript("report-data", charts)}
${codeScript(readDependency("uplot/dist/uPlot.iife.min.js"))}
${codeScript(readAsset("report.js"))}
</body>
</html>
`;
}

function progressWords({ lastStep, steps }: Content): string {
  const done = lastStep.toLocaleString("en");
  if (steps === undefined || steps === lastStep) return `Training report after ${done} steps`;
  return `Training report at step ${done} of ${steps.toLocaleString("en")}`;
}

function chartWords({ recordsPerPoint: size }: Content): string {
  const averaged = size > 1 ? ` Each point is the mean of ${size} logged steps.` : "";
  return `Drag to zoom, double-click to zoom out; the values under the pointer are beside each name.${averaged}`;
}

function readRecipe(runDir: string): { name?: unknown; steps?: unknown } | undefined {
  const path = join(runDir, "recipe.json");
  return existsSync(path) ? readRecipeFile(path) : undefined;
}
