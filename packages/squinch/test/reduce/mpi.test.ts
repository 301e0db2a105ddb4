import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedFamilies, memoryRanks, randomFloats, runRanks } from "@cai/test-utils";
import { build } from "tsup";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createResidual, type Residual, squinchAllReduce } from "../../src/index.js";

// Beside the package, so that the program finds its dependencies.
const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));
mkdirSync(modules, { recursive: true });
const built = mkdtempSync(join(modules, ".reduce-test-"));

beforeAll(async () => {
  const entry = fileURLToPath(new URL("../programs/reduce-ranks.ts", import.meta.url));
  await build({
    entry: [entry],
    outDir: built,
    format: "esm",
    noExternal: [/^@cai\/(test-utils|portable)/],
    skipNodeModulesBundle: true,
    silent: true,
    config: false,
  });
});
afterAll(() => rmSync(built, { recursive: true }));

const size = 3;

describe.skipIf(installedFamilies().length === 0)("squinchAllReduce between processes", () => {
  it.each(installedFamilies())("gives what it gives inside one, over %s", async (family) => {
    const ended = await runRanks({ family, size, script: join(built, "reduce-ranks.js"), args: [built] });
    expect(ended.code, ended.stderr).toBe(0);
    const ranks = memoryRanks(size);
    const residuals = ranks.map((comm) => createResidual(1003, comm));
    for (let step = 0; step < 2; step++) {
      const gradients = ranks.map(({ rank }) => randomFloats(1003, 10 * step + rank));
      const reduce = ranks.map((comm, rank) =>
        squinchAllReduce(gradients[rank] as Float32Array, comm, {
          scale: 1 / size,
          residual: residuals[rank] as Residual,
        }),
      );
      await Promise.all(reduce);
      for (let rank = 0; rank < size; rank++) {
        const results = JSON.parse(readFileSync(join(built, `${rank}.json`), "utf8"));
        expect(results[step]).toEqual([...(gradients[0] as Float32Array)]);
      }
    }
  });
});
