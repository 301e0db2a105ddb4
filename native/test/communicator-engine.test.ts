import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "cai-communicator-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the communicator's engine in C++", () => {
  it("runs 70 ranks that hear of each other at second hand, and survives what an MPI can do to it", () => {
    const root = fileURLToPath(new URL("..", import.meta.url));
    const program = join(folder, "communicator_check");
    const parts = ["engine", "courier", "pulse", "operation", "sum"].map((part) => `src/communicator/${part}.cc`);
    const flags = ["-std=c++17", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-I", "src", "-o", program];
    execFileSync(process.env.CXX ?? "c++", [...flags, "test/native/communicator_check.cc", ...parts], { cwd: root });
    const { status, signal, stdout } = spawnSync(program, { encoding: "utf8", timeout: 25_000 });
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: "" });
  }, 60_000);
});
