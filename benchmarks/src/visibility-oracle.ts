// Do masks, their exports and attention agree with brute force, and gradients of a tree with those of its conversations?
import { backendInfo } from "@cai/native";
import { backend } from "@cai/visibility-mask";
import type { Bench, Cell } from "./lib/bench.js";
import { LinePeer } from "./lib/line-peer.js";
import { childProgram } from "./lib/paths.js";
import { checkRange, type MaskRange, type RangeReport, viewsOf } from "./lib/visibility/attention-range.js";
import { knownMask } from "./lib/visibility/known-masks.js";
import { maskChecks } from "./lib/visibility/mask-checks.js";
import { compareTrees } from "./lib/visibility/tree-gradients.js";

type Portable = LinePeer<MaskRange, RangeReport, { backend: string }>;

const plans = { quick: { masks: 400, trees: 5 }, full: { masks: 10_000, trees: 40 } };
const chunk = 50;
const checkNames = Object.keys(maskChecks) as (keyof typeof maskChecks)[];

/** Of one pattern: how many masks there were, and how many of them failed each check. */
type Tally = Record<string, number>;

export const visibilityOracle: Bench = async ({ quick }) => {
  const plan = plans[quick ? "quick" : "full"];
  const portable: Portable = new LinePeer(
    "the portable code",
    process.execPath,
    [childProgram("visibility-portable")],
    {
      CAI_BACKEND: "portable",
    },
  );
  try {
    const found = await checkMasks(plan.masks, portable);
    const trees = compareTrees(plan.trees);
    const peers = {
      ours: { native: backend(), portable: (await portable.ready).backend, cpuTarget: backendInfo().cpuTarget },
      bruteForce: "every cell by the pattern's definition; dense attention in double precision",
    };
    const rows = [...found.rows, ...found.differences, ...trees.rows];
    const { disagreements, masks } = found;
    return { rows, summary: { disagreements, maxTreeGradRelDiff: trees.maxRelDiff, masks, trees: plan.trees }, peers };
  } finally {
    await portable.close();
  }
};

async function checkMasks(masks: number, portable: Portable) {
  const tallies = new Map<string, Tally>();
  const reports: Record<"native" | "portable", RangeReport[]> = { native: [], portable: [] };
  let disagreements = 0;
  for (let first = 0; first < masks; first += chunk) {
    const range = { first, count: Math.min(chunk, masks - first) };
    const asked = portable.ask(range);
    const own = checkOwn(range);
    const [native, other] = [checkRange(range), await asked];
    reports.native.push(native);
    reports.portable.push(other);
    own.forEach((failedChecks, i) => {
      const failed = [
        ...failedChecks,
        ...(native.failed[i] as string[]).map((name) => `native ${name}`),
        ...(other.failed[i] as string[]).map((name) => `portable ${name}`),
      ];
      disagreements += Number(failed.length > 0);
      count(tallies, first + i, failed);
    });
  }
  const differences = Object.entries(reports).map(([attention, list]) => ({
    attention,
    maxForwardDiff: Math.max(...list.map(({ forwardDiff }) => forwardDiff)),
    maxGradientDiff: Math.max(...list.map(({ backwardDiff }) => backwardDiff)),
  }));
  return { rows: rowsOf(tallies), differences, disagreements, masks };
}

/** For each mask the checks of itself that failed in either view. */
function checkOwn({ first, count }: MaskRange): string[][] {
  return Array.from({ length: count }, (_, i) => {
    const views = viewsOf(first + i);
    return checkNames.filter((name) => !views.every((view) => maskChecks[name](view)));
  });
}

function count(tallies: Map<string, Tally>, index: number, failed: readonly string[]): void {
  const { pattern } = knownMask(index);
  const tally = tallies.get(pattern) ?? {};
  tallies.set(pattern, tally);
  for (const name of ["masks", ...failed]) tally[name] = (tally[name] ?? 0) + 1;
  if (failed.length > 0) console.error(`mask ${index}, ${pattern}: ${failed.join(", ")}`);
}

function rowsOf(tallies: Map<string, Tally>): Record<string, Cell>[] {
  const attention = ["native", "portable"].flatMap((name) =>
    ["seen", "values", "gradients", "decode"].map((check) => `${name} ${check}`),
  );
  return [...tallies].sort().map(([pattern, tally]) => ({
    pattern,
    ...Object.fromEntries(["masks", ...checkNames, ...attention].map((name) => [name, tally[name] ?? 0])),
  }));
}
