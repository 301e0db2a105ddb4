import { createConsola } from "consola";
import type { RunSummary } from "../metrics/index.js";
import { trainInWorker } from "../run-in-worker.js";
import type { TrainJob } from "../train.js";
import type { TrainEvent } from "../training-events.js";
import { exitCodes } from "./exit-codes.js";
import { grouped } from "./output.js";
import { createProgress, type Progress } from "./progress.js";
import { summaryText } from "./summary-text.js";

const words = createConsola({ stdout: process.stderr, stderr: process.stderr });

/**
 * Trains in a worker with progress on stderr. Ctrl-C ends the run after its step, with a checkpoint; a second one ends
 * the process at once.
 */
export async function runJob(job: TrainJob, json = false): Promise<number> {
  const show = json ? showJson() : showWords(job.runDir);
  const training = trainInWorker(job, show.event);
  const interrupt = () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    show.message("Stopping after this step. Ctrl-C again ends at once, without a checkpoint.");
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
  message(text: string): void;
  end(summary: RunSummary): void;
  close(): void;
}

/** JSON lines on stdout: events, then the summary. */
function showJson(): Show {
  const line = (value: object) => void process.stdout.write(`${JSON.stringify(value)}\n`);
  return {
    event: line,
    message: (text) => words.info(text),
    end: (summary) => line({ type: "summary", ...summary }),
    close: () => {},
  };
}

/** Progress on stderr, the summary on stdout. */
function showWords(runDir: string): Show {
  let progress: Progress | undefined;
  const close = () => progress?.close();
  const message = (text: string) => (progress ? progress.message(text) : words.info(text));
  const event = (told: TrainEvent) => {
    if (told.type === "start") {
      const { parameters, threads, step, steps } = told;
      const where = step > 0 ? `from step ${step} of ${steps}` : `${steps} steps`;
      words.info(`${runDir}: ${grouped(parameters)} parameters, ${where}, ${threads} threads`);
      progress = createProgress({ firstStep: step });
    } else if (told.type === "step") {
      const { step, loss, valLoss, tokensPerSecond } = told.metrics;
      progress?.update({ step, steps: told.steps, loss, tokensPerSecond });
      if (typeof valLoss === "number") message(`step ${step}: validation loss ${valLoss.toFixed(4)}`);
    } else if (told.type === "finishing") {
      close();
      words.info("measuring the whole validation split and the baselines");
    }
  };
  const end = (summary: RunSummary) => {
    close();
    process.stdout.write(`${summaryText(runDir, summary)}\n`);
  };
  return { event, message, end, close };
}
