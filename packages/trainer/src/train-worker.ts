import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Communicator } from "@cai/native";
import { describeFailure, toError } from "./distributed/failures.js";
import { openCommunicator, type RefusedJob } from "./distributed/launch.js";
import { together } from "./distributed/together.js";
import type { RunSummary } from "./metrics/index.js";
import type { WorkerMessage } from "./run-in-worker.js";
import { type TrainJob, train } from "./train.js";

const port = parentPort as MessagePort;
const { job, stopFlag } = workerData as { job: TrainJob | RefusedJob; stopFlag: Int32Array };

const post = (message: WorkerMessage) => port.postMessage(message);

try {
  const communicator = openCommunicator(job);
  const { rank, size } = communicator;
  post({ type: "opened", rank, size });
  const summary = await runOn(communicator);
  communicator.close();
  post({ type: "done", summary });
} catch (error) {
  post({ type: "failed", failure: describeFailure(error) });
}

async function runOn(communicator: Communicator): Promise<RunSummary> {
  if (job.kind === "refused") {
    // A run begins with the same agreement, so that ranks that can read the job hear of this one at once.
    return await together(communicator, () => Promise.reject(toError(job.failure)));
  }
  return await train(job, {
    communicator,
    onEvent: (event) => post({ type: "event", event }),
    shouldStop: () => Atomics.load(stopFlag, 0) !== 0,
  });
}
