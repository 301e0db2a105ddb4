import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describePatterns, drawPattern, maskPatterns } from "../src/lib/mask-patterns.js";
import { benchmarksFolder } from "../src/lib/paths.js";

const docs = join(benchmarksFolder, "..", "docs");
const advice = "npm run build && npm run patterns -w @cai/benchmarks writes it anew";

describe("docs/visibility-patterns.md", () => {
  it.each(maskPatterns.map((pattern) => [pattern.name, pattern] as const))(
    "shows %s as it is drawn",
    (name, pattern) => {
      expect(readFileSync(join(docs, "visibility", `${name}.svg`), "utf8") === drawPattern(pattern), advice).toBe(true);
    },
  );

  it("has the sections of all patterns", () => {
    expect(
      readFileSync(join(docs, "visibility-patterns.md"), "utf8").includes(describePatterns("visibility")),
      advice,
    ).toBe(true);
  });
});
