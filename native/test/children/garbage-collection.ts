// Ops and buffers under constant collection; prints resident memory as it goes. Usage: [ops | buffers]
import { allocateAligned, floatTensor, isCaiError, rmsNormForward, tensorAt } from "../../js/index.js";
import { arithmeticOps, rawAddon, runCase } from "./op-cases.js";

const collect = globalThis.gc as () => void;
const rounds = 90;

/** Every op, on arguments that are garbage as soon as it returns, and errors that nobody keeps. */
function ops(): void {
  const addon = rawAddon();
  for (const name of arithmeticOps(addon)) runCase(addon, name);
  const x = floatTensor(new Float32Array(64), [8, 8]);
  for (let i = 0; i < 200; i++) {
    try {
      rmsNormForward(x, floatTensor(new Float32Array(i % 8), [i % 8]), x, x, { eps: 1 });
    } catch (error) {
      if (!isCaiError(error)) throw error;
    }
  }
}

/** Aligned buffers, written to, most dropped at once and a few kept until their views are used. */
function buffers(): void {
  const kept: ArrayBuffer[] = [];
  for (let i = 0; i < 30; i++) {
    const buffer = allocateAligned(1 + ((i * 40_503) % (1 << 20)));
    new Uint8Array(buffer).fill(i);
    if (i % 10 === 0) kept.push(buffer);
  }
  collect();
  for (const buffer of kept) {
    const size = Math.floor(buffer.byteLength / 4);
    const tensor = tensorAt("float32", buffer, 0, [1, size]);
    rmsNormForward(tensor, tensorAt("float32", buffer, 0, [size]), tensor, floatTensor(new Float32Array(1), [1]), {
      eps: 1,
    });
  }
}

const work = process.argv[2] === "ops" ? ops : buffers;
const residentMiB: number[] = [];
for (let round = 0; round < rounds; round++) {
  work();
  collect();
  // Memory from outside the engine goes back on the next turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 1));
  collect();
  await new Promise((resolve) => setTimeout(resolve, 1));
  residentMiB.push(process.memoryUsage.rss() / 2 ** 20);
}
console.log(JSON.stringify(residentMiB));
