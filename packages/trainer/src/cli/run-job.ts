import { launchedBy } from "@cai/native";
import { createConsola } from "consola";
import { describeFailure } from "../distributed/failures.js";
import type { RefusedJob } from "../distributed/launch.js";
import type { RunSummary } from "../metrics/index.js";
import { trainInWorker } from "../run-in-worker.js";
import type { TrainJob } from "../train.js";
import type { TrainEvent } from "../training-events.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import { grouped } from "./output.js";
import { createProgress, type Progress } from "./progress.js";
import { summaryText } from "./summary-text.js";

const words = createConsola({ stdout: process.stderr, stderr: process.stderr });

/** Launchers send a signal to a process and again to its group: only one that comes later was sent by hand. */
const secondSignalMs = 1000;

/**
 * Trains in a worker with progress on stderr. Ctrl-C ends the run after its step, with a checkpoint; a second one ends
 * the process at once. Of several ranks the first alone shows anything, but each tells why it failed.
 *
 * @param makeJob throws where the job makes no sense: of several ranks, all hear of it.
 */
export async function runJob(makeJob: () => TrainJob | Promise<TrainJob>, json = false): Promise<number> {
  const job = launchedBy() === undefined ? await makeJob() : await jobOrRefusal(makeJob);
  const show = json ? showJson() : showWords();
  // Before a launched process knows its rank it shows nothing.
  let place = launchedBy() === undefined ? { rank: 0, size: 1 } : undefined;
  const training = trainInWorker(job, {
    onOpened: (opened) => {
      place = opened;
    },
    onEvent: show.event,
  });
  const release = onFirstSignal(() => {
    if (place?.rank === 0) show.message("Stopping after this step. Ctrl-C again ends at once, without a checkpoint.");
    training.stop();
  });
  try {
    const summary = await training.done;
    if (place?.rank === 0) show.end(summary);
    return summary.finished ? exitCodes.ok : exitCodes.interrupted;
  } catch (error) {
    if (place === undefined || place.size === 1) throw error;
    show.close();
    words.error(`rank ${place.rank}: ${error instanceof Error ? error.message : error}`);
    return exitCodeOf(error);
  } finally {
    show.close();
    release();
  }
}

async function jobOrRefusal(makeJob: () => TrainJob | Promise<TrainJob>): Promise<TrainJob | RefusedJob> {
  try {
    return await makeJob();
  } catch (error) {
    return { kind: "refused", failure: describeFailure(error) };
  }
}

/** Calls `stop` at the first SIGINT or SIGTERM and leaves later ones to the system. @returns what ends the watch. */
function onFirstSignal(stop: () => void): () => void {
  const release = () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  };
  let stopping = false;
  const interrupt = () => {
    if (stopping) return;
    stopping = true;
    if (launchedBy() === undefined) release();
    else setTimeout(release, secondSignalMs).unref();
    stop();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return release;
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
function showWords(): Show {
  let progress: Progress | undefined;
  let runDir = "";
  const close = () => progress?.close();
  const message = (text: string) => (progress ? progress.message(text) : words.info(text));
  const event = (told: TrainEvent) => {
    if (told.type === "start") {
      runDir = told.runDir;
      words.info(startText(told));
      progress = createProgress({ firstStep: told.step });
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

function startText(started: TrainEvent & { type: "start" }): string {
  const { runDir, parameters, threads, ranks, step, steps, initial } = started;
  const beginning = initial === undefined ? `${steps} steps` : `${steps} steps from ${initial}`;
  const where = step > 0 ? `from step ${step} of ${steps}` : beginning;
  const who = ranks > 1 ? `${ranks} ranks, ${threads} threads on the first` : `${threads} threads`;
  return `${runDir}: ${grouped(parameters)} parameters, ${where}, ${who}`;
}
