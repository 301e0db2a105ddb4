import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { MetricsRecord } from "./record.js";

const newline = 10;

export function metricsPath(runDir: string): string {
  return join(runDir, "metrics.jsonl");
}

/** Appends to the metrics.jsonl of a run folder, each record at once as a line of its own. */
export class MetricsWriter {
  readonly #file: number;

  /**
   * Opens the file, making it and the folder when needed, and cuts off all that comes after `step`: what an
   * interrupted run wrote after its checkpoint, and a torn last line.
   *
   * @param step the step of the checkpoint that the run goes on from; 0, which empties the file, for a new run.
   * @throws CaiError `E_FORMAT` when a line other than the last can't be read.
   */
  constructor(runDir: string, step = 0) {
    mkdirSync(runDir, { recursive: true });
    const path = metricsPath(runDir);
    const lines = scan(readIfThere(path), path);
    const later = lines.findIndex(({ record, whole }) => record.step > step || !whole);
    const kept = lines.slice(0, later < 0 ? lines.length : later);
    this.#file = openSync(path, "a");
    ftruncateSync(this.#file, kept.at(-1)?.end ?? 0);
  }

  /** Appends one record. A number that is not finite becomes null. */
  write(record: MetricsRecord): void {
    writeSync(this.#file, `${JSON.stringify(record)}\n`);
  }

  /** Waits until all that was written is on the disk. Call it before a checkpoint, whose steps it should cover. */
  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * The records of a run folder, in the order of writing; none when there is no file. A torn last line is left out.
 *
 * @throws CaiError `E_FORMAT` naming a line before the last that is no record.
 */
export function readMetrics(runDir: string): MetricsRecord[] {
  const path = metricsPath(runDir);
  return scan(readIfThere(path), path).map(({ record }) => record);
}

interface Line {
  readonly record: MetricsRecord;
  /** The byte after the line. */
  readonly end: number;
  /** Whether its newline was written. */
  readonly whole: boolean;
}

function scan(bytes: Buffer, path: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found + 1;
    const record = parseRecord(bytes.toString("utf8", start, end));
    if (record) lines.push({ record, end, whole: found >= 0 });
    else if (end < bytes.length) {
      throw new CaiError("E_FORMAT", "metrics", `${path}: line ${lines.length + 1} is no JSON object with a step`);
    }
    start = end;
  }
  return lines;
}

function parseRecord(text: string): MetricsRecord | undefined {
  try {
    const value = JSON.parse(text) as MetricsRecord | null;
    return Number.isInteger(value?.step) ? (value as MetricsRecord) : undefined;
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
