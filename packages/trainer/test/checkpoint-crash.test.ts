import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { zeros } from "@cai/native";
import { randomInts } from "@cai/test-utils";
import { build } from "tsup";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadCheckpoint, newestGoodCheckpoint, saveCheckpoint } from "../src/checkpoint/index.js";

// Beside the package, so that the program finds its dependencies.
const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
mkdirSync(modules, { recursive: true });
const built = mkdtempSync(join(modules, ".crash-test-"));
const run = mkdtempSync(join(tmpdir(), "cai-crash-"));

beforeAll(async () => {
  const entry = fileURLToPath(new URL("programs/save-forever.ts", import.meta.url));
  const format = "esm" as const;
  await build({ entry: [entry], outDir: built, format, skipNodeModulesBundle: true, silent: true, config: false });
});

afterAll(() => {
  rmSync(built, { recursive: true });
  rmSync(run, { recursive: true });
});

/** Lets the program save for a while after its first checkpoint, kills it, and tells the last step it called done. */
async function saveUntilKilled(milliseconds: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, [join(built, "save-forever.js"), run], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await Promise.race([once(child.stdout as Readable, "data"), failure(child)]);
  await sleep(milliseconds);
  child.kill("SIGKILL");
  await once(child, "close");
  return Number(said.trim().split("\n").at(-1));
}

async function failure(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`the program ended by itself, with code ${code}`);
}

it("kill -9 at any moment of saving leaves the newest finished checkpoint whole, or one newer", async () => {
  let interrupted = 0;
  for (const delay of randomInts(6, 60, 1)) {
    const done = await saveUntilKilled(delay);
    const { newest, skipped } = await newestGoodCheckpoint(run);
    expect(skipped).toEqual([]);
    expect(newest?.step).toBeGreaterThanOrEqual(done);
    expect(newest?.step).toBeLessThanOrEqual(done + 1);
    expect((await loadCheckpoint(newest?.dir as string)).state).toEqual({ step: newest?.step });
    interrupted += readdirSync(join(run, "checkpoints")).filter((name) => name.startsWith(".")).length;
  }
  // Saving is all the program does, so most kills fall into it; otherwise the test would show nothing.
  expect(interrupted).toBeGreaterThan(0);

  const { recipe, step } = await loadCheckpoint((await newestGoodCheckpoint(run)).newest?.dir as string);
  const tensors = { model: new Map([["w", zeros([1])]]), optimizer: new Map() };
  await saveCheckpoint(run, { step: step + 1, tensors, state: {}, recipe, config: {} });
  expect(readdirSync(join(run, "checkpoints")).filter((name) => name.startsWith("."))).toEqual([]);
});
