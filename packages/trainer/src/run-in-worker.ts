import { Worker } from "node:worker_threads";
import { CaiError, type CaiErrorCode } from "@cai/native";
import type { RunSummary } from "./metrics/index.js";
import type { TrainJob } from "./train.js";
import type { TrainEvent } from "./training-events.js";

/** What the worker sends: events of the run, then how it ended. */
export type WorkerMessage =
  | { readonly type: "event"; readonly event: TrainEvent }
  | { readonly type: "done"; readonly summary: RunSummary }
  | { readonly type: "failed"; readonly failure: Failure };

/** An error in a form that survives the way between threads. */
export interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  readonly cai?: { readonly code: CaiErrorCode; readonly op: string };
}

export interface RunningTraining {
  /** How the run ended. Rejects with what the run threw. */
  readonly done: Promise<RunSummary>;
  /** Ends the run after its current step, with a checkpoint. */
  stop(): void;
}

/** Trains in a thread of its own, so that this one stays responsive. */
export function trainInWorker(job: TrainJob, onEvent: (event: TrainEvent) => void): RunningTraining {
  const stopFlag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./train-worker.js", import.meta.url), { workerData: { job, stopFlag } });
  const done = new Promise<RunSummary>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "event") onEvent(message.event);
      else if (message.type === "done") resolve(message.summary);
      else reject(toError(message.failure));
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`the training thread ended early with exit code ${code}`)));
  });
  return { done, stop: () => void Atomics.store(stopFlag, 0, 1) };
}

function toError({ message, stack, cai }: Failure): Error {
  const error = cai ? new CaiError(cai.code, cai.op, message.slice(cai.op.length + 2)) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
