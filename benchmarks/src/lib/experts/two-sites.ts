import type { Recipe, RecipeInput } from "@cai/trainer";
import { runRanks } from "../mpi-run.js";
import { missingForRig, NetworkRig } from "../network-rig.js";
import { childProgram } from "../paths.js";
import { interleave, median } from "../statistics.js";

/** What src/children/site-rank.ts prints. */
export interface SiteResult {
  readonly stepTimesMs: readonly number[];
  readonly bytesSentPerStep: number;
  readonly parameters: number;
}

export interface SitePlan {
  /** Of the link between the sites, in each direction. */
  readonly trunkMbit: number;
  readonly rounds: number;
  readonly stepsPerRound: number;
  readonly recipe: (distributed: NonNullable<RecipeInput["distributed"]>) => Recipe;
}

const ranksPerSite = 2;

const variants = {
  bf16Flat: { exchange: "bf16", levels: 1 },
  bf16TwoLevel: { exchange: "bf16", levels: 2, ranksPerNode: ranksPerSite },
  squinchFlat: { exchange: "squinch", levels: 1 },
  squinchTwoLevel: { exchange: "squinch", levels: 2, ranksPerNode: ranksPerSite },
} as const;
export type SiteVariant = keyof typeof variants;

/** Within a site: far beyond what these processes can fill. */
const linkMbit = 10_000;

export type SiteFigures = {
  readonly variant: SiteVariant;
  readonly stepTimeMs: number;
  readonly stepTimeMsLeast: number;
  readonly bytesSentPerStepByOneRank: number;
  readonly megabitsThroughTrunkPerStep: number;
  readonly steps: number;
};

/**
 * Step times of two sites of two ranks each, whose only slow link is the one between the sites: in turns, each launch a
 * round of one variant. Null where such a network can't be made.
 */
export async function measureTwoSites(plan: SitePlan): Promise<Record<SiteVariant, SiteFigures> | null> {
  const missing = missingForRig();
  if (missing.length > 0) {
    console.error(`The two sites are left out: they need ${missing.join("; ")}`);
    return null;
  }
  const rig = new NetworkRig({ hosts: 2, sites: 2 });
  try {
    rig.shape({ linkMbit, trunkMbit: plan.trunkMbit });
    const names = Object.keys(variants) as SiteVariant[];
    const contestants = Object.fromEntries(names.map((name) => [name, () => runVariant(rig, plan, name)]));
    const rounds = await interleave(contestants as Record<SiteVariant, () => Promise<SiteRound>>, plan.rounds);
    return Object.fromEntries(names.map((name) => [name, figuresOf(name, rounds[name])])) as Record<
      SiteVariant,
      SiteFigures
    >;
  } finally {
    rig.close();
  }
}

interface SiteRound extends SiteResult {
  /** What left one site in the whole round, headers and the warm-up included. */
  readonly siteBytes: number;
}

async function runVariant(rig: NetworkRig, { recipe, stepsPerRound }: SitePlan, name: SiteVariant): Promise<SiteRound> {
  const args = [childProgram("site-rank"), String(stepsPerRound), JSON.stringify(recipe(variants[name]))];
  const before = rig.counts()[0]?.sentBytes ?? 0;
  console.error(`two sites: ${name}`);
  const [result] = await runRanks(rig.launch({ ranksPerHost: [ranksPerSite, ranksPerSite] }, process.execPath, args));
  if (!result) throw new Error(`${name}: the ranks ended without a result`);
  return { ...(result as SiteResult), siteBytes: (rig.counts()[0]?.sentBytes ?? 0) - before };
}

function figuresOf(variant: SiteVariant, rounds: readonly SiteRound[]): SiteFigures {
  const times = rounds.flatMap(({ stepTimesMs }) => stepTimesMs);
  const stepsOf = ({ stepTimesMs }: SiteRound) => stepTimesMs.length + warmUpSteps;
  return {
    variant,
    stepTimeMs: median(times),
    stepTimeMsLeast: Math.min(...times),
    bytesSentPerStepByOneRank: rounds[0]?.bytesSentPerStep ?? 0,
    megabitsThroughTrunkPerStep: median(rounds.map((round) => (8e-6 * round.siteBytes) / stepsOf(round))),
    steps: times.length,
  };
}

/** Steps of each round that are not timed. */
export const warmUpSteps = 2;
