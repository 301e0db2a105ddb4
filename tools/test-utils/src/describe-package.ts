import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { type BuildOptions, build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

export interface PackageUnderTest {
  /** As it is imported. */
  readonly name: string;
  /** Its folder, built. */
  readonly root: string;
  /** How its errors begin. */
  readonly op: string;
  /** Sets `value` to what must be the same everywhere, by JavaScript that uses the package as `library`. */
  readonly program: string;
  /** What it must be below, minified for a browser, for each list of what is imported, `*` or `{ a, b }`. */
  readonly mostBytes: Readonly<Record<string, number>>;
}

/** The tests of a technique's package as users get it: for browsers without Node, and under Node with and without native code. */
export function describePackage({ name, root, op, program, mostBytes }: PackageUnderTest): void {
  const folder = join(root, "node_modules", ".cache", `package-test-${process.pid}`);
  const whole = `${program}; const result = JSON.stringify({ backend: library.backend(), value });`;
  const esm = `import * as library from "${name}"; ${whole} console.log(result);`;
  const cjs = `const library = require("${name}"); ${whole} console.log(result);`;
  const tell = `import { backend } from "${name}"; try { console.log(backend()) } catch (e) { console.log(e.code, e.message) }`;

  beforeAll(() => mkdirSync(folder, { recursive: true }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (file: string, code: string, env: Record<string, string> = {}, place = folder) => {
    const path = join(place, file);
    writeFileSync(path, code);
    const { CAI_BACKEND: _, ...inherited } = process.env;
    return execFileSync(process.execPath, [path], { encoding: "utf8", env: { ...inherited, ...env }, stdio: "pipe" });
  };

  const bundle = async (contents: string, options: Pick<BuildOptions, "platform" | "format">) => {
    const stdin = { contents, resolveDir: folder, loader: "js" } as const;
    const result = await build({ stdin, bundle: true, minify: true, write: false, logLevel: "silent", ...options });
    return result.outputFiles?.[0]?.text as string;
  };

  describe("the package for browsers", () => {
    it("bundles and runs where there is neither require nor process, without eval", async () => {
      const contents = `import * as library from "${name}"; ${whole} globalThis.result = result;`;
      const code = await bundle(contents, { platform: "browser", format: "iife" });
      expect(code).not.toMatch(/node:|createRequire|@cai\/native/);
      const context = createContext({}, { codeGeneration: { strings: false, wasm: false } });
      runInContext(code, context);
      const inNode = JSON.parse(run("portable.mjs", esm, { CAI_BACKEND: "portable" }));
      expect(JSON.parse(context.result)).toEqual(inNode);
    });

    it.each(Object.entries(mostBytes))("takes, minified, for %s less than %i bytes", async (imports, most) => {
      const code = await bundle(`export ${imports} from "${name}"`, { platform: "browser", format: "esm" });
      expect(Buffer.byteLength(code)).toBeLessThan(most);
    });

    it("reaches no Node module from its default entry", () => {
      expect(readFileSync(join(root, "dist/index.cjs"), "utf8")).not.toMatch(/require\(|["']node:/);
    });
  });

  describe("the package under Node", () => {
    it("gives the same as ES module, as CommonJS module, from a bundle, and by every backend", async () => {
      const bundled = await bundle(esm, { platform: "node", format: "esm" });
      const outputs = [
        run("a.mjs", esm),
        run("a.cjs", cjs),
        run("b.mjs", bundled),
        run("c.mjs", esm, { CAI_BACKEND: "portable" }),
      ];
      const results = outputs.map((output) => JSON.parse(output));
      for (const { value } of results) expect(value).toEqual(results[0].value);
      expect(new Set(results.slice(0, 3).map(({ backend }) => backend)).size).toBe(1);
      expect(results[3].backend).toBe("portable");
    });

    it("says what CAI_BACKEND may be", () => {
      expect(run("d.mjs", tell, { CAI_BACKEND: "gpu" })).toContain(
        `E_CONFIG ${op}: CAI_BACKEND must be portable, cpu, cuda, auto`,
      );
      expect(run("d.mjs", tell, { CAI_BACKEND: "cuda" })).toContain(`E_DEVICE ${op}: CAI_BACKEND=cuda can't be had`);
    });

    it("does without @cai/native, unless CAI_BACKEND=cpu insists", () => {
      // Nothing of the workspace is found from a copy outside of it.
      const outside = mkdtempSync(join(tmpdir(), `${basename(root)}-alone-`));
      const copy = join(outside, "node_modules", name);
      for (const part of ["package.json", "dist"]) cpSync(join(root, part), join(copy, part), { recursive: true });
      try {
        expect(run("e.mjs", tell, { CAI_BACKEND: "auto" }, outside).trim()).toBe("portable");
        const insisted = run("e.mjs", tell, { CAI_BACKEND: "cpu" }, outside);
        const refusal = "CAI_BACKEND=cpu needs @cai/native, which could not be used (Cannot find";
        expect(insisted.startsWith(`E_LOAD ${op}: ${refusal}`), insisted).toBe(true);
      } finally {
        rmSync(outside, { recursive: true, force: true });
      }
    });

    it("has one function of each name in both entries", () => {
      const both = `
        import * as node from "${name}";
        import * as portable from ${JSON.stringify(join(root, "dist/index.js"))};
        console.log(Object.keys(node).sort().join() === Object.keys(portable).sort().join());
      `;
      expect(run("f.mjs", both).trim()).toBe("true");
    });
  });
}
