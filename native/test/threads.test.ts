import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { isCaiError, setThreads, threads } from "../js/index.js";
import { arithmeticOps, digestOf, rawAddon } from "./children/op-cases.js";

const before = threads();
afterEach(() => setThreads(before));

describe("setThreads", () => {
  it("takes 1 to 256 threads", () => {
    for (const count of [1, 2, 3, 64, 256, 1]) {
      setThreads(count);
      expect(threads()).toBe(count);
    }
  });

  it("refuses any other number and keeps the last", () => {
    setThreads(2);
    for (const count of [0, -1, 257, 1.5, Number.NaN, Infinity, 2 ** 32 + 1]) {
      expect(() => setThreads(count)).toThrow(
        `setThreads: threads must be an integer from 1 to 256, got the number ${count}`,
      );
    }
    expect(threads()).toBe(2);
  });

  it("keeps every op bitwise repeatable for each number, also when it changes in between", () => {
    const addon = rawAddon();
    for (const name of arithmeticOps(addon)) {
      for (const count of [1, 2, 5]) {
        setThreads(count);
        const first = digestOf(addon, [name]);
        setThreads(count + 1);
        digestOf(addon, [name]);
        setThreads(count);
        expect(digestOf(addon, [name]), name).toBe(first);
      }
    }
  });

  it("survives errors between ops", () => {
    setThreads(4);
    const addon = rawAddon();
    const first = digestOf(addon, ["adamwStep"]);
    for (let i = 0; i < 50; i++) {
      try {
        addon.adamwStep?.(i);
      } catch (error) {
        expect(isCaiError(error)).toBe(true);
      }
      if (i % 10 === 0) expect(digestOf(addon, ["adamwStep"])).toBe(first);
    }
  });
});

describe("the core in C++", () => {
  const folder = mkdtempSync(join(tmpdir(), "cai-core-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("recovers from exceptions in tasks, nests regions, serves several callers, and has Philox's known answers", () => {
    const root = fileURLToPath(new URL("..", import.meta.url));
    const program = join(folder, "core_check");
    const sources = ["test/native/core_check.cc", "src/core/thread_pool.cc"];
    const flags = ["-std=c++17", "-O1", "-pthread", "-I", "src", "-o", program];
    execFileSync(process.env.CXX ?? "c++", [...flags, ...sources], { cwd: root });
    const { status, signal, stdout } = spawnSync(program, { encoding: "utf8", timeout: 20_000 });
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: "" });
  });
});
