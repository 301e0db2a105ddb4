import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { isCaiError } from "@cai/native";
import type { Failure, WorkerMessage } from "./run-in-worker.js";
import { type TrainJob, train } from "./train.js";

const port = parentPort as MessagePort;
const { job, stopFlag } = workerData as { job: TrainJob; stopFlag: Int32Array };

const post = (message: WorkerMessage) => port.postMessage(message);

try {
  const summary = await train(job, {
    onEvent: (event) => post({ type: "event", event }),
    shouldStop: () => Atomics.load(stopFlag, 0) !== 0,
  });
  post({ type: "done", summary });
} catch (error) {
  post({ type: "failed", failure: describe(error) });
}

function describe(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined };
  const cai = isCaiError(error) ? { cai: { code: error.code, op: error.op } } : {};
  return { message: error.message, stack: error.stack, ...cai };
}
