import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
// Inside the tree, so that the samples find the packages as a user's project would.
const folder = join(root, "node_modules", ".cache", `readme-samples-${process.pid}`);

const readmes = [
  "README.md",
  "native/README.md",
  "packages/squinch/README.md",
  "packages/trainer/README.md",
  "packages/visibility-mask/README.md",
];
const sample = /<!-- runs as a test -->\n```[jt]s\n([\s\S]*?)```/g;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(readmes)("%s", (path) => {
  const samples = [...readFileSync(join(root, path), "utf8").matchAll(sample)].map(([, code]) => code as string);

  it("has a sample", () => expect(samples.length).toBeGreaterThan(0));

  it.each(samples.map((code, i) => [i + 1, code] as const))("prints what sample %i says", (number, code) => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${path.replaceAll("/", "-")}-${number}.mjs`);
    writeFileSync(file, code);
    const printed = execFileSync(process.execPath, [file], { encoding: "utf8" });
    expect(printed.trimEnd().split("\n")).toEqual(expectedOutput(code));
  });
});

/** The comment lines that directly follow a console.log. */
function expectedOutput(code: string): string[] {
  const lines = code.split("\n");
  return lines.flatMap((line, i) => {
    if (!line.startsWith("console.log")) return [];
    const after = lines.slice(i + 1);
    const end = after.findIndex((next) => !next.startsWith("// "));
    return after.slice(0, end < 0 ? after.length : end).map((comment) => comment.slice(3));
  });
}
