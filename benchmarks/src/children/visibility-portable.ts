// Usage: node visibility-portable.js   (with CAI_BACKEND=portable)
// Answers requests {"first", "count"} with what attention over those masks got wrong.
import { createInterface } from "node:readline";
import { backend } from "@cai/visibility-mask";
import { checkRange, type MaskRange } from "../lib/visibility/attention-range.js";

process.stdout.write(`${JSON.stringify({ backend: backend() })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(checkRange(JSON.parse(line) as MaskRange))}\n`);
}
