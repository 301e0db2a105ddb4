import { join } from "node:path";
import { type Communicator, launchedBy, openMpi, singleProcess } from "@cai/native";
import { parseRecipe, type Recipe, readRecipeFile } from "../config/index.js";
import type { TrainJob } from "../train.js";
import type { Failure } from "./failures.js";

/** A job that could not even be read on this rank: the others must hear of it. */
export interface RefusedJob {
  readonly kind: "refused";
  readonly failure: Failure;
}

/** The ranks that mpirun or srun started this process among; a communicator of one where nothing did. */
export function openCommunicator(job: TrainJob | RefusedJob): Communicator {
  if (launchedBy() === undefined) return singleProcess();
  const settings = settingsOf(job);
  if (!settings) return openMpi();
  const heartbeatMs = Math.max(1, Math.round(1000 * settings.heartbeatS));
  return openMpi({ heartbeatMs, timeoutMs: Math.max(3 * heartbeatMs, Math.round(1000 * settings.timeoutS)) });
}

/** What the run's recipe says, as far as it can be read: whatever is wrong with it is told later, to all ranks. */
function settingsOf(job: TrainJob | RefusedJob): Recipe["distributed"] | undefined {
  if (job.kind === "new") return job.recipe.distributed;
  if (job.kind === "refused") return undefined;
  try {
    return parseRecipe(readRecipeFile(join(job.runDir, "recipe.json"))).distributed;
  } catch {
    return undefined;
  }
}
