import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const packageRoot = fileURLToPath(new URL("..", import.meta.url));
const folder = join(packageRoot, "node_modules", ".cache", `package-test-${process.pid}`);
const program = `
  const x = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i));
  const bytes = squinch.encode(x, { gain: true });
  const back = squinch.decode(bytes, 20, { gain: true });
  const result = JSON.stringify({ backend: squinch.backend(), bytes: [...bytes], close: Math.abs(back[1] - x[1]) < 0.1 });
`;

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(file: string, code: string, env: Record<string, string> = {}) {
  const path = join(folder, file);
  writeFileSync(path, code);
  const { CAI_BACKEND: _, ...inherited } = process.env;
  return execFileSync(process.execPath, [path], { encoding: "utf8", env: { ...inherited, ...env }, stdio: "pipe" });
}

async function bundle(
  code: string,
  options: { platform: "browser" | "node"; format: "iife" | "esm" },
): Promise<string> {
  const stdin = { contents: code, resolveDir: folder, loader: "js" } as const;
  const result = await build({ stdin, bundle: true, minify: true, write: false, logLevel: "silent", ...options });
  return result.outputFiles[0]?.text as string;
}

describe("the package for browsers", () => {
  it("bundles and runs where there is neither require nor process, without eval", async () => {
    const code = await bundle(`import * as squinch from "@cai/squinch"; ${program} globalThis.result = result;`, {
      platform: "browser",
      format: "iife",
    });
    expect(code).not.toMatch(/node:|createRequire|@cai\/native/);
    const context = createContext({}, { codeGeneration: { strings: false, wasm: false } });
    runInContext(code, context);
    expect(JSON.parse(context.result)).toMatchObject({ backend: "portable", close: true });
  });

  it("takes less than 34 kB, whole and minified", async () => {
    const code = await bundle('export * from "@cai/squinch"', { platform: "browser", format: "esm" });
    expect(code.length).toBeLessThan(34_000);
  });

  it("reaches no Node module from its default entry", () => {
    const entry = readFileSync(join(packageRoot, "dist/index.cjs"), "utf8");
    expect(entry).not.toMatch(/require\(|["']node:/);
  });
});

describe("the package under Node", () => {
  const esm = `import * as squinch from "@cai/squinch"; ${program} console.log(result);`;
  const cjs = `const squinch = require("@cai/squinch"); ${program} console.log(result);`;

  it("gives the same bytes as ES module, as CommonJS module, from a bundle, and by every backend", async () => {
    const bundled = await bundle(esm, { platform: "node", format: "esm" });
    const outputs = [
      run("a.mjs", esm),
      run("a.cjs", cjs),
      run("b.mjs", bundled),
      run("c.mjs", esm, { CAI_BACKEND: "portable" }),
    ];
    const results = outputs.map((output) => JSON.parse(output));
    expect(results.every(({ close }) => close)).toBe(true);
    expect(new Set(results.map(({ bytes }) => String(bytes))).size).toBe(1);
    expect(new Set(results.slice(0, 3).map(({ backend }) => backend)).size).toBe(1);
    expect(results[3].backend).toBe("portable");
  });

  it("says what CAI_BACKEND may be", () => {
    const code =
      'import { backend } from "@cai/squinch"; try { backend() } catch (e) { console.log(e.code, e.message) }';
    expect(run("d.mjs", code, { CAI_BACKEND: "gpu" })).toContain(
      "E_CONFIG squinch: CAI_BACKEND must be portable, cpu, cuda, auto",
    );
    expect(run("d.mjs", code, { CAI_BACKEND: "cuda" })).toContain("E_DEVICE squinch: CAI_BACKEND=cuda can't be had");
  });

  it("does without @cai/native, unless CAI_BACKEND=cpu insists", () => {
    // Nothing of the workspace is found from a copy outside of it.
    const outside = mkdtempSync(join(tmpdir(), "squinch-alone-"));
    const copy = join(outside, "node_modules", "@cai", "squinch");
    for (const name of ["package.json", "dist"]) cpSync(join(packageRoot, name), join(copy, name), { recursive: true });
    try {
      const code =
        'import { backend } from "@cai/squinch"; try { console.log(backend()) } catch (e) { console.log(e.code, e.message) }';
      const path = join(outside, "e.mjs");
      writeFileSync(path, code);
      const runThere = (CAI_BACKEND: string) =>
        execFileSync(process.execPath, [path], { encoding: "utf8", env: { ...process.env, CAI_BACKEND } }).trim();
      expect(runThere("auto")).toBe("portable");
      expect(runThere("cpu")).toMatch(
        /^E_LOAD squinch: CAI_BACKEND=cpu needs @cai\/native, which could not be used \(Cannot find/,
      );
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });

  it("has one function of each name in both entries", () => {
    const both = `
      import * as node from "@cai/squinch";
      import * as portable from ${JSON.stringify(join(packageRoot, "dist/index.js"))};
      console.log(Object.keys(node).sort().join() === Object.keys(portable).sort().join());
    `;
    expect(run("f.mjs", both).trim()).toBe("true");
  });
});
