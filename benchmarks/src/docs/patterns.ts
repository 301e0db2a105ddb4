// Usage: npm run patterns -w @cai/benchmarks   (after npm run build)
// Writes the sections of docs/visibility-patterns.md between their markers, and the drawings that they show.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { replaceBetweenMarkers } from "../lib/markdown.js";
import { describePatterns, drawPattern, maskPatterns } from "../lib/mask-patterns.js";
import { benchmarksFolder } from "../lib/paths.js";

const docs = join(benchmarksFolder, "..", "docs");
const folder = "visibility";
mkdirSync(join(docs, folder), { recursive: true });
for (const pattern of maskPatterns) {
  writeFileSync(join(docs, folder, `${pattern.name}.svg`), drawPattern(pattern));
}
const page = join(docs, "visibility-patterns.md");
const sections = `\n${describePatterns(folder)}\n`;
writeFileSync(page, replaceBetweenMarkers(readFileSync(page, "utf8"), { patterns: sections }));
