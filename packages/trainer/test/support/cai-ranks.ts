import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedFamilies, type MpiFamily, type RanksEnded, runRanks } from "@cai/test-utils";
import { expect } from "vitest";
import { checkpointDigest } from "../../src/checkpoint/index.js";
import { readMetrics } from "../../src/metrics/index.js";
import { cai, writeTexts } from "./cli.js";

export const families = installedFamilies();

const program = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const faults = new URL("../programs/rank-fault.mjs", import.meta.url).href;

/** What goes wrong on one rank, see rank-fault.mjs. */
export interface RankFault {
  readonly rank: number;
  readonly argv?: readonly string[];
  readonly version?: string;
  readonly slowMs?: number;
  readonly act?: "SIGKILL" | "SIGSTOP" | "SIGINT" | "exit" | "stuck" | "unread" | "block";
  readonly after?: string;
}

export interface Launch {
  readonly size: number;
  readonly family?: MpiFamily | undefined;
  readonly fault?: RankFault;
}

const common = ["threads=1", "distributed.bucketMiB=0.02"];

/** The command line on several ranks, with a prepared corpus and run folders in a folder of their own. */
export class CaiRanks {
  readonly #folder = mkdtempSync(join(tmpdir(), "cai-ranks-"));

  /** The path of something in the folder. */
  at(...names: string[]): string {
    return join(this.#folder, ...names);
  }

  async prepare(): Promise<void> {
    writeTexts(this.at("texts"));
    const args = ["prepare", "--corpus", `texts=${this.at("texts")}`, "--out", this.at("data"), "--vocab-size", "320"];
    expect(await cai(args)).toMatchObject({ code: 0 });
  }

  /** Words of `cai train` for a run in the folder `run`. */
  train(run: string, ...settings: string[]): string[] {
    const words = ["train", "smoke", "--json", "--data", this.at("data"), "--run", this.at(run)];
    return [...words, ...[...common, ...settings].flatMap((setting) => ["--set", setting])];
  }

  launch(args: readonly string[], { size, family = families[0], fault }: Launch): Promise<RanksEnded> {
    return runRanks({
      family: family as MpiFamily,
      size,
      script: program,
      args,
      // With it, Open MPI's exit code is 0 whatever happens.
      keepSurvivors: fault !== undefined && fault.slowMs === undefined,
      env: fault ? { RANK_FAULT: JSON.stringify(fault), NODE_OPTIONS: `--import ${faults}` } : {},
    });
  }

  /** Launches and expects all to go well. */
  async succeed(args: readonly string[], launch: Launch): Promise<RanksEnded> {
    const ended = await this.launch(args, launch);
    expect(ended.code, ended.stderr).toBe(0);
    return ended;
  }

  losses(run: string): number[] {
    return readMetrics(this.at(run)).map(({ loss }) => loss as number);
  }

  summary(run: string): Record<string, unknown> {
    return JSON.parse(readFileSync(this.at(run, "summary.json"), "utf8"));
  }

  checkpointPath(run: string, step: number): string {
    return this.at(run, "checkpoints", `step-${String(step).padStart(8, "0")}`);
  }

  digest(run: string, step: number): Promise<string> {
    return checkpointDigest(this.checkpointPath(run, step));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
