import { CaiError, type FloatTensor } from "@cai/native";
import { z } from "zod";
import { type LoadedCheckpoint, saveCheckpoint } from "./checkpoint/index.js";
import type { BatchLoader, LoaderState } from "./data/index.js";
import { huggingFaceConfig } from "./model/hugging-face-config.js";
import type { FullState, Trainer } from "./trainer.js";

/** What a run counts, besides weights, moments and data position. */
export interface Counters {
  /** Loss tokens seen. */
  tokens: number;
  /** Steps skipped because a gradient was not finite: in all, and since the last that was made. */
  skippedSteps: number;
  skippedInARow: number;
}

const stateSchema = z.object({
  updates: z.int().min(0),
  counters: z.object({
    tokens: z.int().min(0),
    skippedSteps: z.int().min(0),
    skippedInARow: z.int().min(0),
  }),
  data: z.unknown(),
});

/** The parts of a run whose state a checkpoint holds. */
export interface TrainingParts {
  readonly trainer: Trainer;
  readonly batches: BatchLoader;
  readonly counters: Counters;
  /** The content of tokenizer.json, so that a checkpoint is complete by itself. */
  readonly tokenizer: string;
}

/** Saves all that an exact resume needs. @returns the checkpoint's folder. */
export async function saveTrainingState(runDir: string, step: number, parts: TrainingParts): Promise<string> {
  const { trainer, batches, counters, tokenizer } = parts;
  const full = trainer.fullState();
  const content = {
    step,
    tensors: { model: full.parameters, optimizer: moments(full) },
    state: { updates: trainer.optimizer.updates, counters, data: batches.state },
    recipe: trainer.recipe,
    config: huggingFaceConfig(trainer.recipe.model),
    tokenizer,
  };
  return saveCheckpoint(runDir, content, { keep: trainer.recipe.keepCheckpoints });
}

/** The optimiser's moments under the names that torch's AdamW gives them. */
function moments({ firstMoments, secondMoments }: FullState): Map<string, FloatTensor> {
  const suffixed = (tensors: ReadonlyMap<string, FloatTensor>, suffix: string) =>
    [...tensors].map(([name, tensor]) => [`${name}.${suffix}`, tensor] as const);
  return new Map([...suffixed(firstMoments, "exp_avg"), ...suffixed(secondMoments, "exp_avg_sq")]);
}

/** Puts weights, moments and counters of a checkpoint back. @returns the loader's state. */
export async function restoreTrainingState(
  checkpoint: LoadedCheckpoint,
  trainer: Trainer,
  counters: Counters,
): Promise<LoaderState> {
  const parsed = stateSchema.safeParse(checkpoint.state);
  if (!parsed.success) {
    throw new CaiError("E_FORMAT", "checkpoint", `${checkpoint.dir}: state.json is of another version`, {
      cause: parsed.error,
    });
  }
  const full = trainer.fullState();
  await readInto(checkpoint, "model", full.parameters);
  await readInto(checkpoint, "optimizer", moments(full));
  trainer.restoreFullState(full);
  trainer.optimizer.updates = parsed.data.updates;
  Object.assign(counters, parsed.data.counters);
  // The loader checks it: only it knows what its state must be.
  return parsed.data.data as LoaderState;
}

/** Fills `parameters` from a checkpoint's model.safetensors. */
export async function loadWeights(
  checkpoint: LoadedCheckpoint,
  parameters: ReadonlyMap<string, FloatTensor>,
): Promise<void> {
  await readInto(checkpoint, "model", parameters);
}

async function readInto(
  checkpoint: LoadedCheckpoint,
  file: "model" | "optimizer",
  targets: ReadonlyMap<string, FloatTensor>,
): Promise<void> {
  const source = await checkpoint.open(file);
  try {
    const unknown = [...source.tensors.keys()].find((name) => !targets.has(name));
    if (unknown !== undefined) {
      const reason = `${file}.safetensors holds ${unknown}, which its recipe's model does not have`;
      throw new CaiError("E_FORMAT", "checkpoint", `${checkpoint.dir}: ${reason}`);
    }
    for (const [name, target] of targets) await source.readInto(name, target);
  } finally {
    await source.close();
  }
}
