import { createConsola } from "consola";
import { trainInWorker } from "../run-in-worker.js";
import type { TrainJob } from "../train.js";
import type { TrainEvent, TrainSummary } from "../training-events.js";
import { exitCodes } from "./exit-codes.js";
import { columns, grouped } from "./output.js";
import { createProgress, type Progress } from "./progress.js";

const words = createConsola({ stdout: process.stderr, stderr: process.stderr });

/**
 * Trains in a worker with progress on stderr. Ctrl-C ends the run after its step, with a checkpoint; a second one ends
 * the process at once.
 */
export async function runJob(job: TrainJob, json = false): Promise<number> {
  const show = json ? showJson() : showWords();
  const training = trainInWorker(job, show.event);
  const interrupt = () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    words.info("stopping after this step; press Ctrl-C again to end at once, without a checkpoint");
    training.stop();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    const summary = await training.done;
    show.end(summary);
    return summary.finished ? exitCodes.ok : exitCodes.interrupted;
  } finally {
    show.close();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}

interface Show {
  event(event: TrainEvent): void;
  end(summary: TrainSummary): void;
  close(): void;
}

function showJson(): Show {
  const line = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  return { event: line, end: (summary) => line({ type: "summary", ...summary }), close: () => {} };
}
