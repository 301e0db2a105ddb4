import { createHash } from "node:crypto";
import { backendInfo, CaiError, type Communicator } from "@cai/native";
import { canonicalJson } from "../checkpoint/index.js";
import type { Recipe } from "../config/index.js";
import { readManifest } from "../data/index.js";
import { rankNames } from "./failures.js";
import { gatherJson } from "./messages.js";
import { packageVersion } from "./package-version.js";

/** What all ranks of a run must have in common before the first step, by the words that an error uses. */
export type Identity = Readonly<Record<string, string>>;

/** What a run is about to do, as one rank sees it. */
export interface RunStart {
  readonly kind: "new" | "resume";
  readonly recipe: Recipe;
  /** The checkpoint that the run goes on from, if there is one. */
  readonly checkpoint?: CheckpointIdentity | undefined;
  /** The checkpoint whose weights the run begins with, if there is one. */
  readonly initial?: CheckpointIdentity | undefined;
}

interface CheckpointIdentity {
  readonly step: number;
  readonly digest: string;
}

/**
 * Refuses to start, on all ranks, unless all have the same software, recipe, data and checkpoint.
 *
 * Directories may differ from machine to machine: data are compared by their fingerprint, initial weights by their digest.
 *
 * @throws CaiError `E_CONFIG` naming ranks and what differs; for recipes, the fields.
 */
export async function shakeHands(comm: Communicator, start: RunStart): Promise<void> {
  if (comm.size === 1) return;
  const identities = await gatherJson(comm, identityOf(start));
  const differences = disagreements(identities);
  // Looked at only when needed, and then by all, since they all saw the same.
  if (new Set(identities.map(({ recipe }) => recipe)).size > 1) {
    differences.push(...disagreements(await gatherJson(comm, fieldsOf(comparable(start.recipe)))));
  }
  if (differences.length === 0) return;
  const reason = differences.map((difference) => `\n  ${difference}`).join("");
  throw new CaiError("E_CONFIG", "train", `the ranks must agree before the first step, but do not:${reason}`);
}

function identityOf({ kind, recipe, checkpoint, initial }: RunStart): Identity {
  return {
    "version of @cai/trainer": packageVersion("@cai/trainer"),
    "version of @cai/native": packageVersion("@cai/native"),
    // Ranks that step on their own must round alike.
    "kind of processor": `${process.arch} ${backendInfo().cpuTarget ?? "none"}`,
    command: kind === "new" ? "train" : "resume",
    recipe: createHash("sha256")
      .update(canonicalJson(comparable(recipe), "recipe"))
      .digest("hex")
      .slice(0, 12),
    data: readManifest(recipe.data.dir).fingerprint.slice(0, 12),
    checkpoint: checkpointText(checkpoint),
    "initial weights": checkpointText(initial),
  };
}

function checkpointText(checkpoint: CheckpointIdentity | undefined): string {
  return checkpoint ? `step ${checkpoint.step}, ${checkpoint.digest.slice(0, 12)}` : "none";
}

/** A recipe without what may differ between machines. */
function comparable(recipe: Recipe): object {
  const { init: _from, ...rest } = recipe;
  const { dir: _, ...data } = recipe.data;
  return { ...rest, data };
}

/** The leaves of a JSON value by their paths, such as `optim.lr`. */
function fieldsOf(value: object, prefix = ""): Record<string, string> {
  const entries = Object.entries(value).flatMap(([name, field]) => {
    const path = prefix + name;
    if (typeof field === "object" && field !== null) return Object.entries(fieldsOf(field as object, `${path}.`));
    return [[path, JSON.stringify(field)] as const];
  });
  return Object.fromEntries(entries);
}

/** One line for each name under which not all ranks have the same: who has what. */
export function disagreements(identities: readonly Identity[]): string[] {
  const names = new Set(identities.flatMap((identity) => Object.keys(identity)));
  return [...names].flatMap((name) => {
    const ranksByValue = new Map<string, number[]>();
    identities.forEach((identity, rank) => {
      const value = identity[name] ?? "absent";
      ranksByValue.set(value, [...(ranksByValue.get(value) ?? []), rank]);
    });
    if (ranksByValue.size === 1) return [];
    const groups = [...ranksByValue].map(([value, ranks]) => `${value} on ${rankNames(ranks)}`);
    return [`${name}: ${groups.join("; ")}`];
  });
}
