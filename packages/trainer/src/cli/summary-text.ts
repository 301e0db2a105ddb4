import { existsSync } from "node:fs";
import { join } from "node:path";
import { chatFormName } from "../checkpoint/index.js";
import type { RunSummary } from "../metrics/index.js";
import { columns, grouped } from "./output.js";

/** What a run came to, for a terminal: figures, the comparison with simpler models, a text, and where to look on. */
export function summaryText(runDir: string, summary: RunSummary): string {
  const { finished, steps, tokens, seconds, tokensPerSecond, skippedSteps, sample, checkpoint } = summary;
  const { ranks, exchange, usedShare } = summary;
  const speed = tokensPerSecond === undefined ? "" : `, ${grouped(Math.round(tokensPerSecond))} tokens/s`;
  const parts = [
    columns([
      [
        finished ? "finished" : "stopped",
        `${grouped(steps)} steps, ${grouped(tokens)} tokens in ${seconds.toFixed(0)} s${speed}`,
      ],
      ...(usedShare === undefined
        ? []
        : [["rows", `${(100 * usedShare).toFixed(2)} % of their positions used`] as const]),
      ...(ranks !== undefined && exchange ? [["ranks", exchangeText(ranks, exchange)] as const] : []),
      ...(skippedSteps > 0 ? [["skipped", `${grouped(skippedSteps)} steps without a finite gradient`] as const] : []),
    ]),
    comparison(summary),
    sample && `A text that the model wrote, from nothing:\n\n${indented(sample.text)}`,
    columns([
      ...(checkpoint === undefined ? [] : [["checkpoint", checkpoint] as const]),
      ["report", join(runDir, "report.html")],
      finished ? nextCommand(runDir, checkpoint) : ["go on", `npx cai resume ${runDir}`],
    ]),
  ];
  return parts.filter(Boolean).join("\n\n");
}

function nextCommand(runDir: string, checkpoint = ""): [string, string] {
  const canChat = existsSync(join(checkpoint, chatFormName));
  return canChat ? ["talk to it", `npx cai chat ${runDir}`] : ["write on", `npx cai generate ${runDir} --prompt "..."`];
}

function exchangeText(ranks: number, exchange: NonNullable<RunSummary["exchange"]>): string {
  const { type, mode, bytesPerStep, parameterBytesPerStep, exposedMs } = exchange;
  const short = (value: number) => value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  const megabytes = (bytes: number) => `${short(bytes / 1e6)} MB`;
  const parameters = parameterBytesPerStep > 0 ? ` and ${megabytes(parameterBytesPerStep)} of parameters` : "";
  const sent = `${megabytes(bytesPerStep)} of gradients${parameters}`;
  return `${ranks}, ${mode}; each sent ${sent} a step by ${type}, and waited ${short(exposedMs)} ms for it`;
}

function comparison({ valLoss, bitsPerByte, baselines }: RunSummary): string | undefined {
  if (valLoss === undefined || bitsPerByte === undefined) return undefined;
  const rows = [{ name: "this model", valLoss, bitsPerByte }, ...(baselines ?? [])];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = (name: string, nats: string, bits: string) =>
    `${name.padEnd(width)}  ${nats.padStart(12)}  ${bits.padStart(13)}`;
  return [
    line("validation", "nats a token", "bits per byte"),
    ...rows.map((row) => line(row.name, row.valLoss?.toFixed(4) ?? "", row.bitsPerByte.toFixed(4))),
  ].join("\n");
}

function indented(text: string): string {
  return text
    .trim()
    .split("\n")
    .map((line) => `  ${line}`.trimEnd())
    .join("\n");
}
