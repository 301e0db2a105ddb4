import { type Communicator, isCaiError } from "@cai/native";
import { describeFailure, type Failure, failureOfOthers } from "./failures.js";
import { gatherJson } from "./messages.js";

/**
 * Does `work` on every rank and goes on once all have done it. Where it fails on some, it fails on all: there with
 * what was thrown, elsewhere with an error of the same code that names those ranks and tells why.
 */
export async function together<T>(comm: Communicator, work: () => T | Promise<T>): Promise<T> {
  if (comm.size === 1) return await work();
  const outcome = await outcomeOf(work);
  const failure = "error" in outcome ? describeFailure(outcome.error) : null;
  const failures = failuresByRank(await gatherJson(comm, failure));
  if ("error" in outcome) throw outcome.error;
  if (failures.size > 0) throw failureOfOthers(failures);
  return outcome.value;
}

async function outcomeOf<T>(work: () => T | Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await work() };
  } catch (error) {
    // Without a way to the others there is nothing to agree on.
    if (isCaiError(error) && error.code === "E_COMM") throw error;
    return { error };
  }
}

function failuresByRank(outcomes: readonly (Failure | null)[]): Map<number, Failure> {
  return new Map(outcomes.flatMap((failure, rank) => (failure ? [[rank, failure] as const] : [])));
}
