import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Communicator } from "@cai/native";
import type { Batch, BatchLoader } from "../data/index.js";
import { gatherJson } from "./messages.js";

/**
 * This rank's micro-batches of one step: the stream is one for all ranks, and each takes its turn, so that the data of
 * a step do not depend on how many ranks there are, only on `count` times their number.
 *
 * @param count micro-batches for each rank.
 */
export function takeTurns(
  batches: BatchLoader,
  { rank, size }: Pick<Communicator, "rank" | "size">,
  count: number,
): Batch[] {
  const ours: Batch[] = [];
  for (let number = 0; number < count * size; number++) {
    if (number % size === rank) ours.push(batches.next());
    else batches.skip();
  }
  return ours;
}

/** As many as the native ops take. */
const mostThreads = 256;

/** How many threads this rank may take so that the ranks on its machine share the cores that they may run on. */
export async function threadShare(comm: Communicator): Promise<number> {
  const allowed = await gatherJson(comm, allowedCores());
  return coreShare(allowed, comm.localRanks, comm.rank);
}

/**
 * Cores for `rank`, at least one: a core that several ranks may run on is divided among them, since launchers bind
 * ranks to cores of their own or leave all cores to all.
 *
 * @param allowed the numbers of the cores that each rank may run on, of every rank.
 * @param localRanks the ranks on the same machine.
 */
export function coreShare(
  allowed: readonly (readonly number[])[],
  localRanks: readonly number[],
  rank: number,
): number {
  const sharers = new Map<number, number>();
  for (const local of localRanks) {
    for (const core of allowed[local] ?? []) sharers.set(core, (sharers.get(core) ?? 0) + 1);
  }
  // In parts of a core that no sum of them rounds down below a whole one.
  const share = (allowed[rank] ?? []).reduce((sum, core) => sum + 1 / (sharers.get(core) ?? 1), 0);
  return Math.min(mostThreads, Math.max(1, Math.floor(share + 1e-6)));
}

function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(statusOfProcess())?.[1];
  return list === undefined ? Array.from({ length: availableParallelism() }, (_, core) => core) : coreList(list);
}

function statusOfProcess(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}

/** "0-2,7" as 0, 1, 2, 7. */
export function coreList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
