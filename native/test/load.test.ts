import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Ended, type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
afterEach(() => box.remove());

interface Failure {
  name: string;
  code: string;
  op: string;
  message: string;
  cause: string;
}

function report({ code, stdout, stderr }: Ended) {
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const { info, first, second } = JSON.parse(stdout);
  expect(second).toEqual(first);
  return { info, failure: first as Failure, threads: first.threads as number };
}

/** Puts `source` in the place of node-gyp-build, which finds and loads the addon. */
function fakeLoader(root: string, source: string): void {
  const folder = join(root, "node_modules", "node-gyp-build");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.js"), source);
}

describe("loading the addon", () => {
  it("works from an ES module and from CommonJS", async () => {
    box = await temporaryPackage(["load"], { format: ["esm", "cjs"] });
    for (const program of ["load.js", "load.cjs"]) {
      const { info, threads } = report(await box.run(program));
      expect(info).toMatchObject({ backend: "cpu", wish: "auto", threads });
      expect(info.tried).toEqual([
        { backend: "cuda", available: false, reason: expect.stringContaining("without a CUDA library") },
        { backend: "cpu", available: true },
      ]);
    }
  });

  it("says where it looked and what to do when there is no binary", async () => {
    box = await temporaryPackage(["load"], { binary: false, format: ["esm", "cjs"] });
    for (const program of ["load.js", "load.cjs"]) {
      const { info, failure } = report(await box.run(program));
      expect(failure).toMatchObject({ name: "CaiError", code: "E_LOAD", op: "native" });
      expect(failure.message).toContain(`could not be loaded on ${process.platform}-${process.arch}`);
      expect(failure.message).toContain(`  ${join(box.root, "build", "Release")}: absent`);
      expect(failure.message).toContain("prebuilds");
      expect(failure.message).toContain("reason: No native build was found");
      expect(failure.message).toContain("What to do:");
      expect(failure.cause).toContain("No native build was found");
      expect(info).toMatchObject({ backend: "none", wish: "auto", reason: failure.message });
    }
  });

  it("says so when a binary is there but is no library", async () => {
    box = await temporaryPackage(["load"]);
    const binary = join(box.root, "build", "Release", "cai_native.node");
    rmSync(binary);
    writeFileSync(binary, "not a library");
    const { failure } = report(await box.run("load.js"));
    expect(failure.code).toBe("E_LOAD");
    expect(failure.message).toContain(`${join(box.root, "build", "Release")}: present, but did not load`);
    expect(failure.message).toMatch(/reason: .*cai_native\.node/);
  });

  it("says so when its one dependency is missing", async () => {
    box = await temporaryPackage(["load"], { nodeModules: false });
    const { failure } = report(await box.run("load.js"));
    expect(failure.message).toContain("reason: Cannot find module 'node-gyp-build'");
  });

  it("reports a loader that throws something that is no error", async () => {
    box = await temporaryPackage(["load"], { nodeModules: false });
    fakeLoader(box.root, "module.exports = () => { throw 'a string'; };");
    expect(report(await box.run("load.js")).failure.message).toContain("reason: a string");
  });

  it("names the op that an older addon lacks", async () => {
    box = await temporaryPackage(["load"], { nodeModules: false });
    fakeLoader(box.root, "module.exports = () => ({ cpuTarget: () => 'avx2' });");
    const { failure, info } = report(await box.run("load.js"));
    expect(failure).toMatchObject({ code: "E_LOAD", op: "threads" });
    expect(failure.message).toBe("threads: this build of the addon lacks the op: rebuild it with `npm run build`");
    expect(info).toMatchObject({ backend: "none", reason: failure.message });
  });
});

describe("CAI_BACKEND and CAI_CPU_TARGET", () => {
  it.each([
    ["cpu", [{ backend: "cpu", available: true }]],
    ["", [expect.objectContaining({ backend: "cuda", available: false }), { backend: "cpu", available: true }]],
  ])("load the addon with CAI_BACKEND=%s", async (CAI_BACKEND, tried) => {
    box = await temporaryPackage(["load"]);
    const { info } = report(await box.run("load.js", { env: { CAI_BACKEND } }));
    expect(info).toMatchObject({ backend: "cpu", tried });
  });

  it.each([
    [{ CAI_BACKEND: "cuda" }, "E_DEVICE", "CAI_BACKEND=cuda can't be had: this version of @cai/native comes without"],
    [{ CAI_BACKEND: "portable" }, "E_LOAD", "CAI_BACKEND=portable keeps the native addon out of this process"],
    [{ CAI_BACKEND: "gpu" }, "E_CONFIG", 'CAI_BACKEND must be portable, cpu, cuda, auto or unset, got "gpu"'],
    [{ CAI_CPU_TARGET: "sse9" }, "E_CONFIG", 'CAI_CPU_TARGET must be avx512, avx2, baseline or unset, got "sse9"'],
  ])("refuse with a reason: %o", async (env, code, message) => {
    box = await temporaryPackage(["load"]);
    const { info, failure } = report(await box.run("load.js", { env }));
    expect(failure).toMatchObject({ code, op: "native" });
    expect(failure.message).toContain(message);
    expect(info).toMatchObject({ backend: "none", reason: failure.message });
  });
});
