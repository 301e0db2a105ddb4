import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedFamilies, type MpiFamily, runRanks } from "@cai/test-utils";
import { build } from "tsup";
import { expect } from "vitest";
import type { Report, Scenario } from "../programs/train-ranks.js";

export const families = installedFamilies();

export interface RankTrainer {
  /** What each rank reported of each scenario, by name and then by rank: all in one launch, which takes a second. */
  run<Name extends string>(
    size: number,
    scenarios: Record<Name, Scenario>,
    family?: MpiFamily,
  ): Promise<Record<Name, (Report | string)[]>>;
  /** The first rank's reports; all ranks must have told the same, and had the same parameters after every step. */
  train<Name extends string>(
    size: number,
    scenarios: Record<Name, Scenario>,
    family?: MpiFamily,
  ): Promise<Record<Name, Report>>;
  remove(): void;
}

/** Builds `programs/train-ranks.ts`, beside the package so that it finds its dependencies. */
export async function rankTrainer(): Promise<RankTrainer> {
  const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));
  mkdirSync(modules, { recursive: true });
  const built = mkdtempSync(join(modules, ".ranks-test-"));
  const entry = fileURLToPath(new URL("../programs/train-ranks.ts", import.meta.url));
  await build({
    entry: [entry],
    outDir: built,
    format: "esm",
    noExternal: ["@cai/test-utils"],
    skipNodeModulesBundle: true,
    silent: true,
    config: false,
  });
  let runs = 0;
  const trainer: RankTrainer = {
    async run(size, scenarios, family = families[0]) {
      const out = join(built, `run-${runs++}`);
      mkdirSync(out);
      const script = join(built, "train-ranks.js");
      const args = [JSON.stringify(Object.values(scenarios)), out];
      const ended = await runRanks({ family: family as MpiFamily, size, script, args });
      expect(ended.code, ended.stderr).toBe(0);
      const byRank = Array.from({ length: size }, (_, rank) =>
        JSON.parse(readFileSync(join(out, `${rank}.json`), "utf8")),
      );
      const names = Object.keys(scenarios) as (keyof typeof scenarios)[];
      return Object.fromEntries(names.map((name, i) => [name, byRank.map((reports) => reports[i])])) as never;
    },
    async train(size, scenarios, family) {
      const reports = await trainer.run(size, scenarios, family);
      const names = Object.keys(scenarios) as (keyof typeof scenarios)[];
      return Object.fromEntries(names.map((name) => [name, requireReplicas(reports[name])])) as never;
    },
    remove: () => rmSync(built, { recursive: true }),
  };
  return trainer;
}

function requireReplicas(reports: readonly (Report | string)[]): Report {
  const [first, ...others] = reports as [Report, ...Report[]];
  expect(first, String(first)).toBeTypeOf("object");
  for (const other of others) {
    expect(other.hashes).toEqual(first.hashes);
    expect(other.steps.map(withoutExchange)).toEqual(first.steps.map(withoutExchange));
  }
  return first;
}

function withoutExchange({ exchange, ...step }: Report["steps"][number]) {
  return step;
}

/** The first step's gradient before clipping. */
export function firstGradient({ gradients }: Report): number[] {
  return gradients[0] as number[];
}

/** Gives the test's model of 4,256 values a dozen buckets. */
export const plain = { bucketMiB: 1 / 512 };
