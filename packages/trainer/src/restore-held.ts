import { basename } from "node:path";
import type { LoadedCheckpoint, SafetensorsFile } from "./checkpoint/index.js";
import { refuse } from "./checkpoint/manifest.js";
import type { HolderTable } from "./distributed/held-state.js";
import type { HeldValues } from "./distributed/held-values.js";
import { type Handover, type Holders, handovers, holdings, partsWithin, piecesOf } from "./distributed/placement.js";
import type { Trainer } from "./trainer.js";

/** The moments, and how torch's AdamW calls them after a parameter's name. */
export const moments = [
  ["firstMoments", ".exp_avg"],
  ["secondMoments", ".exp_avg_sq"],
] as const;

/** Fills the moments that this rank holds from a checkpoint's optimizer.safetensors. @throws CaiError `E_FORMAT`. */
export async function readMoments(checkpoint: LoadedCheckpoint, trainer: Trainer): Promise<void> {
  const held = trainer.heldState();
  const places = trainer.model.parameters.places();
  const source = await checkpoint.open("optimizer");
  try {
    const names = moments.flatMap(([, suffix]) => places.map(({ name }) => name + suffix));
    requireKnown(checkpoint, source, names);
    for (const [moment, suffix] of moments) {
      const { ranges, values } = held[moment];
      const own = holdings([ranges]);
      for (const { name, range, shape } of places) {
        requireShape(checkpoint, source, name + suffix, shape);
        for (const { begin, end, offset } of partsWithin(range, own)) {
          const target = values.subarray(offset, offset + end - begin);
          await source.readPart(name + suffix, begin - range.begin, target);
        }
      }
    }
  } finally {
    await source.close();
  }
}

/**
 * Fills the residuals that this rank holds from a checkpoint's residuals.safetensors.
 *
 * @param before who held what when it was saved. @param after who does now. @throws CaiError `E_FORMAT`.
 */
export async function readResiduals(
  checkpoint: LoadedCheckpoint,
  trainer: Pick<Trainer, "heldState" | "communicator">,
  before: { readonly local: Holders; readonly shard: Holders },
  after: Pick<HolderTable, "local" | "shard">,
): Promise<void> {
  const held = trainer.heldState();
  const { rank } = trainer.communicator;
  const source = await checkpoint.open("residuals");
  try {
    for (const name of ["local", "shard"] as const) {
      const own = held[name];
      const ours = handovers(before[name], after[name]).filter(({ to }) => to === rank);
      if (own) await takeOver(source, name, ours, own);
    }
  } finally {
    await source.close();
  }
}

const chunkLength = 1 << 20;

/** The first value of an element is copied, bit by bit; those of ranks that are no more are added to it. */
async function takeOver(
  source: SafetensorsFile,
  name: string,
  ours: readonly Handover[],
  { ranges, values }: HeldValues,
): Promise<void> {
  const places = holdings([ranges]);
  const scratch = new Float32Array(chunkLength);
  let last = -1;
  for (const { rank, begin, end, offset } of ours) {
    const isFirst = begin !== last;
    last = begin;
    for (const place of piecesOf({ begin, end }, places)) {
      for (let at = place.begin; at < place.end; at += chunkLength) {
        const length = Math.min(chunkLength, place.end - at);
        const start = place.offset + at - place.begin;
        const target = values.subarray(start, start + length);
        const part = isFirst ? target : scratch.subarray(0, length);
        await source.readPart(`${name}.${rank}`, offset + at - begin, part);
        if (!isFirst) for (let i = 0; i < length; i++) target[i] = (target[i] as number) + (part[i] as number);
      }
    }
  }
}

/** @throws CaiError `E_FORMAT` when a file holds a tensor that is none of `names`. */
export function requireKnown(checkpoint: LoadedCheckpoint, source: SafetensorsFile, names: Iterable<string>): void {
  const known = new Set(names);
  const unknown = [...source.tensors.keys()].find((name) => !known.has(name));
  if (unknown === undefined) return;
  const file = basename(source.path);
  refuse(checkpoint.dir, `${file} holds ${unknown}, which its recipe's model does not have`);
}

function requireShape(
  checkpoint: LoadedCheckpoint,
  source: SafetensorsFile,
  name: string,
  shape: readonly number[],
): void {
  const found = source.tensors.get(name)?.shape;
  if (`${found}` === `${shape}`) return;
  refuse(checkpoint.dir, `optimizer.safetensors: expected ${name} of shape [${shape}], got [${found ?? "none"}]`);
}
