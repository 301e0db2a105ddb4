import { type Html, html } from "./html.js";
import type { RunSummary } from "./summary.js";

/** The figures of a run as tiles, the comparison with baselines, and a sample of text. */
export function summarySections(summary: Partial<RunSummary>): Html {
  return html`${tiles(summary)}${comparison(summary)}${sampleSection(summary)}`;
}

function tiles(summary: Partial<RunSummary>): Html | undefined {
  const { parameters, tokens, trainLoss, valLoss, bitsPerByte, tokensPerSecond, seconds, skippedSteps } = summary;
  const { ranks, exchange, usedShare } = summary;
  const shown: (Html | undefined)[] = [
    tile("Parameters", parameters, compact),
    tile("Training tokens", tokens, compact),
    tile("Positions used", usedShare, percent, "of training rows"),
    tile("Training loss", trainLoss, fixed, "nats per token"),
    tile("Validation loss", valLoss, fixed, "nats per token"),
    tile("Bits per byte", bitsPerByte, fixed, "validation"),
    tile("Speed", tokensPerSecond, count, "tokens per second"),
    tile("Time", seconds, duration),
    tile("Ranks", ranks, count, exchange && `${exchange.type}, ${exchange.mode}`),
    tile("Exchange", exchange?.bytesPerStep, bytes, "gradients a rank sends a step"),
    exchange?.parameterBytesPerStep
      ? tile("Parameters sent", exchange.parameterBytesPerStep, bytes, "a rank and step")
      : undefined,
    tile("Waiting for it", exchange?.exposedMs, (ms) => `${threeDigits(ms)} ms`, "a step"),
    skippedSteps ? tile("Skipped steps", skippedSteps, count, "gradient not finite") : undefined,
  ];
  const present = shown.filter((part) => part !== undefined);
  return present.length === 0 ? undefined : html`<dl class="tiles">${present}</dl>`;
}

function tile(name: string, value: number | undefined, write: (value: number) => string, unit = ""): Html | undefined {
  if (value === undefined) return undefined;
  return html`<div><dt>${name}</dt><dd>${write(value)}</dd><dd class="unit">${unit}</dd></div>`;
}

function comparison({ bitsPerByte, valLoss, baselines = [] }: Partial<RunSummary>): Html | undefined {
  if (baselines.length === 0) return undefined;
  const own = bitsPerByte === undefined ? [] : [{ name: "this model", bitsPerByte, valLoss, own: true }];
  const rows = [...own, ...baselines.map((baseline) => ({ own: false, ...baseline }))];
  const widest = Math.max(...rows.map((row) => row.bitsPerByte));
  return html`<section>
<h2>Beside simpler models</h2>
<p class="note">Validation text, bits per byte: lower is better.</p>
<div class="scroll"><table>
<thead><tr><th>model</th><th class="number">bits per byte</th><th class="wide"></th><th class="number">nats per token</th></tr></thead>
<tbody>${rows.map((row) => comparisonRow(row, widest))}</tbody>
</table></div>
</section>`;
}

function comparisonRow(
  row: { name: string; bitsPerByte: number; valLoss?: number | undefined; own: boolean },
  widest: number,
): Html {
  const width = ((100 * row.bitsPerByte) / (widest || 1)).toFixed(1);
  return html`<tr class="${row.own ? "own" : ""}"><td>${row.name}</td><td class="number">${fixed(row.bitsPerByte)}</td>
<td class="wide"><span class="bar" style="width:${width}%"></span></td>
<td class="number">${row.valLoss === undefined ? "–" : fixed(row.valLoss)}</td></tr>`;
}

function sampleSection({ sample }: Partial<RunSummary>): Html | undefined {
  if (!sample) return undefined;
  const author = sample.prompt === "" ? "Written by the model." : "The prompt is in bold; the model wrote the rest.";
  return html`<section>
<h2>A sample</h2>
<p class="note">${author}</p>
<blockquote><b>${sample.prompt}</b>${sample.text}</blockquote>
</section>`;
}

function compact(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function bytes(value: number): string {
  return value >= 1e6 ? `${threeDigits(value / 1e6)} MB` : `${threeDigits(value / 1e3)} kB`;
}

function threeDigits(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function fixed(value: number): string {
  return value.toFixed(3);
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}
