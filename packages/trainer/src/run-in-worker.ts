import { Worker } from "node:worker_threads";
import { type Failure, toError } from "./distributed/failures.js";
import type { RefusedJob } from "./distributed/launch.js";
import type { RunSummary } from "./metrics/index.js";
import type { TrainJob } from "./train.js";
import type { TrainEvent } from "./training-events.js";

/** What the worker sends: which rank it is, events of the run, then how it ended. */
export type WorkerMessage =
  | { readonly type: "opened"; readonly rank: number; readonly size: number }
  | { readonly type: "event"; readonly event: TrainEvent }
  | { readonly type: "done"; readonly summary: RunSummary }
  | { readonly type: "failed"; readonly failure: Failure };

export interface TrainingListeners {
  /** Told once, before any event, as soon as the ranks have found each other. */
  onOpened: (place: { readonly rank: number; readonly size: number }) => void;
  onEvent: (event: TrainEvent) => void;
}

export interface RunningTraining {
  /** How the run ended. Rejects with what the run threw. */
  readonly done: Promise<RunSummary>;
  /** Ends the run after its current step, with a checkpoint. */
  stop(): void;
}

/** Trains in a thread of its own, so that this one stays responsive. */
export function trainInWorker(job: TrainJob | RefusedJob, listeners: TrainingListeners): RunningTraining {
  const stopFlag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./train-worker.js", import.meta.url), { workerData: { job, stopFlag } });
  const done = new Promise<RunSummary>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "opened") listeners.onOpened(message);
      else if (message.type === "event") listeners.onEvent(message.event);
      else if (message.type === "done") resolve(message.summary);
      else reject(toError(message.failure));
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`the training thread ended early with exit code ${code}`)));
  });
  return { done, stop: () => void Atomics.store(stopFlag, 0, 1) };
}
