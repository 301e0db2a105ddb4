// Usage: node squinch-portable.js   (with CAI_BACKEND=portable)
// Answers requests {"values", "calls"} with the milliseconds of each encoding, decoding, and decoding with addition.
import { createInterface } from "node:readline";
import { backend, decode, encodedLength, encodeInto } from "@cai/squinch";
import { fillNormal } from "../lib/normal-values.js";
import { sample } from "../lib/statistics.js";

process.stdout.write(`${JSON.stringify({ backend: backend() })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const { values, calls } = JSON.parse(line) as { values: number; calls: number };
  const x = new Float32Array(values);
  fillNormal(x);
  const out = new Float32Array(values);
  const bytes = new Uint8Array(encodedLength(values));
  const reply = {
    encode: sample(() => encodeInto(x, bytes), calls),
    decode: sample(() => decode(bytes, values, { out }), calls),
    decodeAdd: sample(() => decode(bytes, values, { out, accumulate: true }), calls),
  };
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
