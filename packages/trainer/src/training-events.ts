import type { MetricsRecord } from "./metrics/index.js";

/** What a run tells while it goes on. */
export type TrainEvent =
  | {
      readonly type: "start";
      readonly runDir: string;
      /** Steps made before, when the run goes on from a checkpoint. */
      readonly step: number;
      readonly steps: number;
      /** The checkpoint whose weights the run begins with. */
      readonly initial?: string;
      readonly parameters: number;
      /** Of the first rank. */
      readonly threads: number;
      /** Processes that train together. */
      readonly ranks: number;
    }
  | { readonly type: "step"; readonly steps: number; readonly metrics: MetricsRecord }
  | { readonly type: "checkpoint"; readonly step: number; readonly directory: string }
  /** All steps are made; the whole validation split and the baselines come next. */
  | { readonly type: "finishing" };
