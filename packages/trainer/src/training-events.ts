import type { Evaluation } from "./evaluate.js";

/** One line of metrics.jsonl. */
export interface StepMetrics {
  readonly step: number;
  /** Mean cross-entropy of the step, in nats a token. */
  readonly loss: number;
  readonly lr: number;
  readonly gradNorm: number;
  readonly tokensPerSecond: number;
  readonly stepTimeMs: number;
  /** Loss tokens seen since the run began. */
  readonly tokens: number;
  /** Steps skipped since the run began because a gradient was not finite. */
  readonly skippedSteps: number;
  /** Validation loss after this step, in nats a token, where one was measured. */
  readonly valLoss?: number;
}

/** How a run ended. */
export interface TrainSummary {
  readonly name: string;
  readonly runDir: string;
  /** Whether every step of the recipe was made; false after an early stop. */
  readonly finished: boolean;
  readonly steps: number;
  readonly parameters: number;
  /** Loss tokens seen. */
  readonly tokens: number;
  readonly trainLoss: number;
  readonly skippedSteps: number;
  /** Median over the steps made by this process. */
  readonly tokensPerSecond: number;
  /** Time that this process took, validation and checkpoints included. */
  readonly seconds: number;
  /** Newest checkpoint. */
  readonly checkpoint: string;
  /** Over the whole validation split; only when the run finished. */
  readonly validation?: Evaluation;
}

/** What a run tells while it goes on. */
export type TrainEvent =
  | { readonly type: "start"; readonly step: number; readonly steps: number; readonly parameters: number; readonly threads: number }
  | { readonly type: "step"; readonly steps: number; readonly metrics: StepMetrics }
  | { readonly type: "checkpoint"; readonly step: number; readonly directory: string };
