import { CaiError, type FloatTensor } from "@cai/native";
import { z } from "zod";
import {
  type CheckpointContent,
  type LoadedCheckpoint,
  saveCheckpoint,
  type TensorSource,
} from "./checkpoint/index.js";
import type { BatchLoader, ChatForm, LoaderState } from "./data/index.js";
import { type HeldName, type HolderTable, offerOf, streamedByRank, streamedRange } from "./distributed/held-state.js";
import { holdings } from "./distributed/placement.js";
import { type Leader, ledByRankZero } from "./distributed/rank-zero.js";
import { huggingFaceConfig } from "./model/hugging-face-config.js";
import { moments, readMoments, readResiduals, requireKnown } from "./restore-held.js";
import type { Trainer } from "./trainer.js";

/** What a run counts, besides weights, moments and data position. */
export interface Counters {
  /** Loss tokens seen. */
  tokens: number;
  /** Steps skipped because a gradient was not finite: in all, and since the last that was made. */
  skippedSteps: number;
  skippedInARow: number;
}

const holdersSchema = z.array(z.array(z.object({ begin: z.int().min(0), end: z.int().min(0) })));

const stateSchema = z.object({
  updates: z.int().min(0),
  counters: z.object({
    tokens: z.int().min(0),
    skippedSteps: z.int().min(0),
    skippedInARow: z.int().min(0),
  }),
  data: z.unknown(),
  /** What the exchange between ranks carries from step to step. */
  exchange: z
    .object({
      /** Whose values residuals.safetensors holds, for which elements of the flat memory, rank by rank. */
      residuals: z.object({ local: holdersSchema, shard: holdersSchema }).exactOptional(),
      codecs: z.record(z.string(), z.string()).exactOptional(),
    })
    .exactOptional(),
});

type SavedState = z.infer<typeof stateSchema>;

/** The parts of a run whose state a checkpoint holds. */
export interface TrainingParts {
  readonly trainer: Trainer;
  /** Which rank holds what of it. */
  readonly holders: HolderTable;
  readonly batches: BatchLoader;
  readonly counters: Counters;
  /** The content of tokenizer.json, so that a checkpoint is complete by itself. */
  readonly tokenizer: string;
  /** How conversations are spelled, where there are any among the data: to talk to the model. */
  readonly chat?: ChatForm | undefined;
}

/**
 * Saves all that an exact resume needs. Every rank calls it; the first writes, and gets from the others what they hold,
 * one piece after the other.
 *
 * @returns the checkpoint's folder, on the first rank.
 */
export async function saveTrainingState(
  runDir: string,
  step: number,
  parts: TrainingParts,
): Promise<string | undefined> {
  const { recipe, communicator } = parts.trainer;
  const save = (leader: Leader) =>
    saveCheckpoint(runDir, contentOf(step, parts, leader), { keep: recipe.keepCheckpoints });
  return await ledByRankZero(communicator, recipe.distributed, save, offerOf(parts.trainer.heldState()));
}

function contentOf(step: number, parts: TrainingParts, leader: Leader): CheckpointContent {
  const { trainer, holders, batches, counters, tokenizer, chat } = parts;
  const { recipe, optimizer } = trainer;
  const exchange = exchangeOf(parts);
  const places = trainer.model.parameters.places();
  const streamed = (name: HeldName, suffix: string): [string, TensorSource][] => {
    const pieces = holdings(holders[name]);
    return places.map((place) => [place.name + suffix, streamedRange(leader, name, pieces, place)]);
  };
  const byRank = (name: HeldName) => streamedByRank(leader, name, holders[name]);
  const hasMasters = holders.masters.some((ranges) => ranges.length > 0);
  return {
    step,
    tensors: {
      model: hasMasters ? new Map(streamed("masters", "")) : trainer.parameters(),
      optimizer: new Map(moments.flatMap(([name, suffix]) => streamed(name, suffix))),
      ...(exchange?.residuals && { residuals: new Map([...byRank("local"), ...byRank("shard")]) }),
    },
    state: { updates: optimizer.updates, counters, data: batches.state, ...(exchange && { exchange }) },
    recipe,
    config: huggingFaceConfig(recipe.model),
    tokenizer,
    chat,
  };
}

function exchangeOf({ trainer, holders }: TrainingParts): SavedState["exchange"] {
  const { local, shard } = holders;
  const hasResiduals = [...local, ...shard].some((ranges) => ranges.length > 0);
  const codecs = trainer.exchangeState()?.codecs;
  if (!hasResiduals && !codecs) return undefined;
  const mutable = (ranks: HolderTable["local"]) => ranks.map((ranges) => ranges.map((range) => ({ ...range })));
  return {
    ...(hasResiduals && { residuals: { local: mutable(local), shard: mutable(shard) } }),
    ...(codecs && { codecs: { ...codecs } }),
  };
}

/** What of a checkpoint is still to be taken over once {@link restoreTrainingState} is done. */
export interface RestoredState {
  /** For the loader, which checks it: only it knows what its state must be. */
  readonly data: LoaderState;
  /** For {@link Trainer.adopt}, which every rank calls once all have got this far. */
  readonly codecs: Readonly<Record<string, string>> | undefined;
}

/**
 * Reads weights, moments, residuals and counters of a checkpoint; of what ranks share, this rank's part. On another
 * number of ranks than before, residuals are dealt out anew.
 */
export async function restoreTrainingState(
  checkpoint: LoadedCheckpoint,
  { trainer, holders, counters }: Pick<TrainingParts, "trainer" | "holders" | "counters">,
): Promise<RestoredState> {
  const parsed = stateSchema.safeParse(checkpoint.state);
  if (!parsed.success) {
    throw new CaiError("E_FORMAT", "checkpoint", `${checkpoint.dir}: state.json is of another version`, {
      cause: parsed.error,
    });
  }
  const { updates, exchange, data } = parsed.data;
  await loadWeights(checkpoint, trainer.parameters());
  await readMoments(checkpoint, trainer);
  if (exchange?.residuals) await readResiduals(checkpoint, trainer, exchange.residuals, holders);
  trainer.optimizer.updates = updates;
  Object.assign(counters, parsed.data.counters);
  return { data: data as LoaderState, codecs: exchange?.codecs };
}

/** Fills `parameters` from a checkpoint's model.safetensors. */
export async function loadWeights(
  checkpoint: LoadedCheckpoint,
  parameters: ReadonlyMap<string, FloatTensor>,
): Promise<void> {
  const source = await checkpoint.open("model");
  try {
    requireKnown(checkpoint, source, parameters.keys());
    for (const [name, target] of parameters) await source.readInto(name, target);
  } finally {
    await source.close();
  }
}
