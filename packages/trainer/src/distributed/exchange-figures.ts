import type { Recipe } from "../config/index.js";
import type { RunSummary } from "../metrics/index.js";
import type { StepResult } from "../trainer.js";

type StepFigures = { exchangeBytes: number; parameterBytes: number; exposedMs: number };

/** What the exchange of the first rank cost, step by step and over the run. */
export class ExchangeFigures {
  readonly #exposedMs: number[] = [];
  #exchangeBytes = 0;
  #parameterBytes = 0;

  /** @returns the fields of the step's line in metrics.jsonl; none on one rank. */
  add(exchange: StepResult["exchange"]): Partial<StepFigures> {
    if (!exchange) return {};
    const { bytesSent, parameterBytesSent, exposedMs } = exchange;
    this.#exchangeBytes += bytesSent;
    this.#parameterBytes += parameterBytesSent;
    this.#exposedMs.push(exposedMs);
    return { exchangeBytes: bytesSent, parameterBytes: parameterBytesSent, exposedMs };
  }

  /** Means over the steps, but for the time, which is the median. */
  summary({ exchange, mode }: Recipe["distributed"]): NonNullable<RunSummary["exchange"]> {
    const steps = this.#exposedMs.length || 1;
    return {
      type: exchange,
      mode,
      bytesPerStep: this.#exchangeBytes / steps,
      parameterBytesPerStep: this.#parameterBytes / steps,
      exposedMs: [...this.#exposedMs].sort((a, b) => a - b)[this.#exposedMs.length >> 1] ?? 0,
    };
  }
}
