import {
  allocateAligned,
  backendInfo,
  embeddingForward,
  type FloatTensor,
  floatTensor,
  intTensor,
  sizeOf,
} from "../js/index.js";

/** A float32 tensor on huge pages, as the trainer's arena has them, filled by `value`. */
export function tensorOf(shape: readonly number[], value: (i: number) => number = (i) => Math.sin(i)): FloatTensor {
  const data = new Float32Array(allocateAligned(4 * sizeOf(shape)));
  for (let i = 0; i < data.length; i++) data[i] = value(i);
  return floatTensor(data, shape);
}

/** The median times of one call of each in milliseconds: rounds taken in turn, each long enough for the clock. */
export function mediansMs(runs: readonly (() => void)[], budgetMs = 800): number[] {
  const calls = runs.map((run) => Math.max(1, Math.ceil(2 / timeMs(run, 2))));
  const times: number[][] = runs.map(() => []);
  for (const end = performance.now() + budgetMs; performance.now() < end || (times[0]?.length ?? 0) < 5; ) {
    runs.forEach((run, i) => {
      times[i]?.push(timeMs(run, calls[i] as number));
    });
  }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1] as number);
}

function timeMs(run: () => void, calls: number): number {
  const before = performance.now();
  for (let i = 0; i < calls; i++) run();
  return (performance.now() - before) / calls;
}

/** A copy of `bytes` / 2 on all threads, the floor of a memory-bound op: long rows gathered in order. */
function copyOf(bytes: number): () => void {
  const columns = 1024;
  const rows = Math.max(1, Math.round(bytes / 8 / columns));
  const [from, to] = [tensorOf([rows, columns]), tensorOf([rows, columns])];
  const ids = intTensor(
    Int32Array.from({ length: rows }, (_, i) => i),
    [rows],
  );
  return () => embeddingForward(ids, from, to);
}

/** Prints GB/s of `run` beside a copy of as many bytes, measured in turn; `bytes` are those it must read and write. */
export function reportBandwidth(name: string, bytes: number, run: () => void): void {
  const [ms, copyMs] = mediansMs([run, copyOf(bytes)]) as [number, number];
  const [speed, copy] = [bytes / ms / 1e6, bytes / copyMs / 1e6];
  console.log(
    `${name.padEnd(48)} ${(ms * 1e3).toFixed(1).padStart(9)} us ${speed.toFixed(1).padStart(6)} GB/s` +
      `   copy ${copy.toFixed(1).padStart(6)} GB/s   ratio ${(speed / copy).toFixed(2)}`,
  );
}

/** Prints what the figures below it were measured on. */
export function reportBackend(): void {
  const { cpuTarget, threads } = backendInfo();
  console.log(`${cpuTarget}, ${threads} threads`);
}
