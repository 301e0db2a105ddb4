// Usage: node --expose-gc visibility-memory.js
// Answers one request {"pattern", "tokens"} with the bytes that a mask and attention by it take; a process of its own each,
// since scratch memory is kept from call to call. Linux alone resets a peak.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { floatTensor } from "@cai/native";
import { attentionBackward, attentionForward, backend, type FloatTensor, VisibilityMask } from "@cai/visibility-mask";
import { fillNormal } from "../lib/normal-values.js";
import { heads, type MemoryReply, type MemoryRequest, patterns } from "../lib/visibility/memory-cases.js";

const { H, D } = heads;

/** Resident bytes of this process, by a field of its status. */
function resident(field: "VmRSS" | "VmHWM"): number {
  const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`${field}:\\s*(\\d+) kB`));
  return 1024 * Number(line?.[1]);
}

function measure({ pattern, tokens }: MemoryRequest): MemoryReply {
  // What a first call loads and starts is no cost of attention.
  const few = tensors(16);
  forward(few, { mask: VisibilityMask.causal(16) });
  backward(few, { mask: VisibilityMask.causal(16) });
  const { mask, window } = patterns[pattern](tokens);
  const all = tensors(tokens);
  // Else it might be given back during the call and hide what that takes.
  globalThis.gc?.();
  const before = resident("VmRSS");
  writeFileSync("/proc/self/clear_refs", "5");
  const forwardExtraBytes = forward(all, { mask, window }) - before;
  const backwardExtraBytes = backward(all, { mask, window }) - before;
  return {
    arrayBytes: mask.start.byteLength + mask.limit.byteLength,
    positionBytes: mask.positions?.byteLength ?? 0,
    lseBytes: all.lse.data.byteLength,
    visibleCells: mask.visibleCells({ window }),
    forwardExtraBytes,
    backwardExtraBytes,
  };
}

type Tensors = ReturnType<typeof tensors>;
type Options = Parameters<typeof attentionForward>[5];

function forward({ q, k, v, out, lse }: Tensors, options: Options): number {
  attentionForward(q, k, v, out, lse, options);
  return resident("VmHWM");
}

function backward({ dout, q, k, v, out, lse, dq, dk, dv }: Tensors, options: Options): number {
  attentionBackward(dout, q, k, v, out, lse, dq, dk, dv, options);
  return resident("VmHWM");
}

/** Every page of them is written to, so that a call touches none for the first time. */
function tensors(T: number) {
  const filled = (...shape: number[]): FloatTensor => {
    const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
    fillNormal(data);
    return floatTensor(data, shape);
  };
  const wide = () => filled(1, T, H, D);
  const [q, k, v, dout, out, dq, dk, dv] = [wide(), wide(), wide(), wide(), wide(), wide(), wide(), wide()];
  return { q, k, v, dout, out, dq, dk, dv, lse: filled(1, H, T) };
}

process.stdout.write(`${JSON.stringify({ backend: backend() })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(measure(JSON.parse(line) as MemoryRequest))}\n`);
}
