import type { Recipe } from "@cai/trainer";

/** What src/children/learn-rank.ts is to do, as its one argument. */
export interface LearningRun {
  readonly recipe: Recipe;
  /** Send gradients by a codec of the benches instead of the recipe's exchange. */
  readonly codec: "int4" | null;
  /** Steps between points of the curve, and the validation batches of each. */
  readonly curveEvery: number;
  readonly curveBatches: number;
}

/** A point of the curve: loss over a fixed part of the validation split, after `step`. */
export interface CurvePoint {
  readonly step: number;
  readonly valLoss: number;
}

/** What rank 0 prints at the end. */
export interface LearningResult {
  /** Over the whole validation split, in nats a token. */
  readonly valLoss: number;
  readonly valTokens: number;
  readonly curve: readonly CurvePoint[];
  /** Loss tokens of all ranks. */
  readonly tokens: number;
  readonly parameters: number;
  /** Bytes of gradients that one rank gives to the others in a step, on average. */
  readonly bytesSentPerStep: number;
  readonly skippedSteps: number;
  readonly seconds: number;
}
