import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import { z } from "zod";
import { writeFileAtomically } from "../data/atomic-file.js";
import type { MetricsRecord } from "./record.js";

const figure = z.number().min(0).exactOptional();

const summarySchema = z.strictObject({
  /** The recipe's name. */
  name: z.string(),
  /** Whether all steps were made. */
  finished: z.boolean(),
  /** Steps made. */
  steps: z.int().min(0),
  /** Trained parameters of the model. */
  parameters: z.int().min(0),
  /** Training tokens seen. */
  tokens: z.int().min(0),
  /** Share of the positions of rows that held tokens, not padding; of the first rank, since the run was last begun. */
  usedShare: z.number().min(0).max(1).exactOptional(),
  /** Last training loss, nats a token. */
  trainLoss: figure,
  /** Last validation loss, nats a token. */
  valLoss: figure,
  /** The same in bits a byte of text. */
  bitsPerByte: figure,
  /** Median over the steps. */
  tokensPerSecond: figure,
  /** Processes that trained together, and what their exchange cost the first of them; absent for one. */
  ranks: z.int().min(2).exactOptional(),
  exchange: z
    .strictObject({
      type: z.string(),
      mode: z.string(),
      /** Bytes of gradients that it sent in a step, and of parameters; means. */
      bytesPerStep: z.number().min(0),
      parameterBytesPerStep: z.number().min(0),
      /** Time of a step in which it only waited for the exchange; median. */
      exposedMs: z.number().min(0),
    })
    .exactOptional(),
  /** Time of the whole run. */
  seconds: z.number().min(0),
  /** Steps skipped for a gradient that was not finite. */
  skippedSteps: z.int().min(0),
  /** Folder of the last checkpoint. */
  checkpoint: z.string().exactOptional(),
  /** Simpler models on the same validation text, to compare with. */
  baselines: z
    .array(z.strictObject({ name: z.string(), bitsPerByte: z.number().min(0), valLoss: figure }))
    .exactOptional(),
  /** Text that the model wrote. */
  sample: z.strictObject({ prompt: z.string(), text: z.string() }).exactOptional(),
});

/** What a run came to. Kept as summary.json in the run folder. */
export type RunSummary = z.infer<typeof summarySchema>;

export function writeSummary(runDir: string, summary: RunSummary): void {
  writeFileAtomically(join(runDir, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
}

/** The summary.json of a run folder; empty when there is none. @throws CaiError `E_FORMAT`. */
export function readSummary(runDir: string): Partial<RunSummary> {
  const path = join(runDir, "summary.json");
  try {
    return summarySchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return {};
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll("\n", " ") : String(cause);
    throw new CaiError("E_FORMAT", "report", `${path} is no summary (${reason})`, { cause });
  }
}

/** What the metrics themselves tell; the speed is the median. */
export function summarise(records: readonly MetricsRecord[]): Partial<RunSummary> {
  const summary: Partial<RunSummary> = {};
  for (const { tokens, loss, valLoss, valBitsPerByte, skippedSteps } of records) {
    if (isFigure(tokens)) summary.tokens = tokens;
    if (isFigure(loss)) summary.trainLoss = loss;
    if (isFigure(valLoss)) summary.valLoss = valLoss;
    if (isFigure(valBitsPerByte)) summary.bitsPerByte = valBitsPerByte;
    if (isFigure(skippedSteps)) summary.skippedSteps = skippedSteps;
  }
  const speeds = records
    .map((record) => record.tokensPerSecond)
    .filter(isFigure)
    .sort((a, b) => a - b);
  const median = speeds[speeds.length >> 1];
  if (median !== undefined) summary.tokensPerSecond = median;
  return summary;
}

function isFigure(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
