import { grouped } from "./output.js";

/** The part of a terminal or file that progress is written to. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** What a step tells. */
export interface ProgressStep {
  /** Steps done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Nats a token. */
  readonly loss?: number | null | undefined;
  readonly tokensPerSecond?: number | null | undefined;
}

export interface ProgressOptions {
  /** stderr by default, so that stdout holds nothing but what was asked for. */
  readonly stream?: ProgressStream;
  /** Milliseconds, of a clock that does not go back. */
  readonly now?: () => number;
  /** Steps done before the first update, when a run goes on. */
  readonly firstStep?: number;
}

/** Shows how far a run is. */
export interface Progress {
  /** Shows a step, or drops it when the last is too young to be replaced; the last step is always shown. */
  update(step: ProgressStep): void;
  /** Writes a line that stays, above the live one. */
  message(text: string): void;
  /** Leaves the last state standing and ends. */
  close(): void;
}

const liveIntervalMs = 100;
const plainIntervalMs = 3000;
/** Weight of the newest step in the average of step times and speeds. */
const newest = 0.1;
const clearLine = "\r\u001b[2K";

/**
 * Progress of a run: on a terminal one live line, at most ten times a second; elsewhere a plain line of its own, at
 * most every three seconds. Time left is the steps left times their average time of late.
 */
export function createProgress(options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, now = () => performance.now(), firstStep = 0 } = options;
  return stream.isTTY ? new LiveProgress(stream, now, firstStep) : new PlainProgress(stream, now, firstStep);
}

/** Averages over the latest steps, and from them the time left. */
class Pace {
  #step: number;
  #time: number;
  #stepMs: number | undefined;
  #tokensPerSecond: number | undefined;

  constructor(step: number, time: number) {
    this.#step = step;
    this.#time = time;
  }

  /** @returns the line that tells of this step. */
  add({ step, steps, loss, tokensPerSecond }: ProgressStep, time: number): string {
    if (step > this.#step) this.#stepMs = blend(this.#stepMs, (time - this.#time) / (step - this.#step));
    if (isFigure(tokensPerSecond)) this.#tokensPerSecond = blend(this.#tokensPerSecond, tokensPerSecond);
    [this.#step, this.#time] = [step, time];
    const parts = [`step ${String(step).padStart(String(steps).length)}/${steps}`];
    if (loss !== undefined) parts.push(`loss ${isFigure(loss) ? loss.toFixed(4) : "not finite"}`);
    if (this.#tokensPerSecond !== undefined) parts.push(`${grouped(Math.round(this.#tokensPerSecond))} tokens/s`);
    if (this.#stepMs !== undefined && step < steps) parts.push(`${duration((steps - step) * this.#stepMs)} left`);
    return parts.join("  ");
  }
}

class LiveProgress implements Progress {
  readonly #pace: Pace;
  #line = "";
  #shownAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number,
    firstStep: number,
  ) {
    this.#pace = new Pace(firstStep, now());
  }

  update(step: ProgressStep): void {
    if (this.#closed) return;
    const time = this.now();
    this.#line = `${bar(step.step / step.steps)} ${this.#pace.add(step, time)}`;
    if (time - this.#shownAt < liveIntervalMs && step.step < step.steps) return;
    this.#shownAt = time;
    this.stream.write(clearLine + this.#cut());
  }

  message(text: string): void {
    const live = this.#closed ? "" : this.#cut();
    this.stream.write(`${clearLine}${text}\n${live}`);
  }

  close(): void {
    if (!this.#closed && this.#line !== "") this.stream.write(`${clearLine}${this.#cut()}\n`);
    this.#closed = true;
  }

  /** A line as wide as the terminal would wrap, and could not be cleared. */
  #cut(): string {
    return this.#line.slice(0, Math.max(1, (this.stream.columns ?? 80) - 1));
  }
}

class PlainProgress implements Progress {
  readonly #pace: Pace;
  #last: string | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number,
    firstStep: number,
  ) {
    this.#pace = new Pace(firstStep, now());
  }

  update(step: ProgressStep): void {
    if (this.#closed) return;
    const time = this.now();
    this.#last = this.#pace.add(step, time);
    if (time - this.#shownAt < plainIntervalMs && step.step < step.steps) return;
    this.#shownAt = time;
    this.#show();
  }

  message(text: string): void {
    this.stream.write(`${text}\n`);
  }

  close(): void {
    if (!this.#closed) this.#show();
    this.#closed = true;
  }

  #show(): void {
    if (this.#last !== undefined) this.stream.write(`${this.#last}\n`);
    this.#last = undefined;
  }
}

function blend(average: number | undefined, value: number): number {
  return average === undefined ? value : average + newest * (value - average);
}

function isFigure(value: number | null | undefined): value is number {
  return Number.isFinite(value);
}

function bar(share: number): string {
  const width = 20;
  const full = Math.round(width * Math.min(1, Math.max(0, share)));
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`;
}

/** Milliseconds as 42 s, 3:07 or 1:03:07. */
function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
