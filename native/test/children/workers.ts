// The addon among worker threads. Usage: <scenario>; prints one line of JSON when it gets to its end.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { floatTensor, rmsNormForward, setThreads } from "../../js/index.js";
import { arithmeticOps, digestOf, rawAddon } from "./op-cases.js";

type Task = "digest" | "endless" | "stuck" | "exit";

/** A fingerprint of what every op gives. */
function digest(): string {
  const addon = rawAddon();
  return digestOf(addon, arithmeticOps(addon));
}

/** Ops until somebody ends this thread, with and without the pool, errors among them. */
function endless(): never {
  const [rows, columns] = [512, 256];
  const x = floatTensor(new Float32Array(rows * columns).fill(1), [rows, columns]);
  const weight = floatTensor(new Float32Array(columns), [columns]);
  const rstd = floatTensor(new Float32Array(rows), [rows]);
  for (;;) {
    rmsNormForward(x, weight, x, rstd, { eps: 1 });
    try {
      rmsNormForward(x, rstd, x, rstd, { eps: 1 });
    } catch {}
  }
}

/** An op that never gets its arguments: a getter runs until somebody ends this thread. */
function stuck(): void {
  const options = {
    get eps(): number {
      for (;;);
    },
  };
  rmsNormForward(floatTensor(new Float32Array(1), [1, 1]), ...threeOnes(), options);
}

function threeOnes() {
  return [[1], [1, 1], [1]].map((shape) => floatTensor(new Float32Array(1), shape)) as [never, never, never];
}

function serve(task: Task): void {
  if (task === "digest") {
    for (let i = 0; i < 3; i++) parentPort?.postMessage(digest());
    return;
  }
  parentPort?.postMessage("started");
  if (task === "stuck") stuck();
  if (task === "exit") setTimeout(() => process.exit(3), 5);
  else endless();
}

function start(task: Task): Worker {
  return new Worker(new URL(import.meta.url), { workerData: task });
}

async function digestsOf(worker: Worker): Promise<string[]> {
  const digests: string[] = [];
  worker.on("message", (message) => digests.push(message));
  const [code] = await once(worker, "exit");
  if (code !== 0) throw new Error(`a worker ended with ${code}`);
  return digests;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const scenarios: Record<string, () => Promise<unknown>> = {
  /** One worker after the other; with the last one gone the library may be unmapped, and the next maps it again. */
  "one after the other": async () => {
    const digests = [];
    for (let i = 0; i < 4; i++) digests.push(...(await digestsOf(start("digest"))));
    return new Set(digests).size;
  },
  "all at once": async () => {
    setThreads(3);
    const workers = Array.from({ length: 6 }, () => digestsOf(start("digest")));
    const own: string[] = [];
    while (own.length < 16) {
      own.push(digest());
      if (own.length % 8 === 0) await pause(0);
    }
    return new Set([...own, ...(await Promise.all(workers)).flat()]).size;
  },
  "ended by terminate": async () => {
    const codes = new Set<number>();
    for (let i = 0; i < 12; i++) {
      const workers = [start("endless"), start(i % 3 === 0 ? "stuck" : "endless")];
      await Promise.all(workers.map((worker) => once(worker, "message")));
      if (i % 2 === 0) digest();
      await pause(i);
      for (const code of await Promise.all(workers.map((worker) => worker.terminate()))) codes.add(code);
    }
    return [...codes, new Set([digest(), digest()]).size === 1];
  },
  "ended by exit": async () => {
    const workers = [start("exit"), start("exit")];
    return Promise.all(workers.map(async (worker) => (await once(worker, "exit"))[0]));
  },
  /** The process ends while four threads are inside ops. */
  "process.exit": async () => {
    const workers = Array.from({ length: 3 }, () => start("endless"));
    await Promise.all(workers.map((worker) => once(worker, "message")));
    digest();
    console.log(JSON.stringify("exiting"));
    process.exit(7);
  },
  /** The main thread has nothing left to do, its workers have. */
  "end of main": async () => {
    const workers = [start("endless"), start("stuck")];
    await Promise.all(workers.map((worker) => once(worker, "message")));
    for (const worker of workers) worker.unref();
    return new Set([digest(), digest()]).size === 1;
  },
};

if (isMainThread) {
  const scenario = scenarios[process.argv[2] as string] as () => Promise<unknown>;
  console.log(JSON.stringify(await scenario()));
} else {
  serve(workerData as Task);
}
