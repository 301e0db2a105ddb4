// A communicator's beginnings and ends. Usage: <scenario>; prints JSON records.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { isCaiError, launchedBy, type OpenMpiOptions, openMpi } from "../../js/index.js";

const options: OpenMpiOptions = { timeoutMs: 10_000, heartbeatMs: 100 };
const print = (record: object) => console.log(JSON.stringify(record));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function problemOf(body: () => unknown): { code?: string; message: string } {
  try {
    body();
    return { message: "nothing was thrown" };
  } catch (error) {
    if (!isCaiError(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** What a worker thread does. */
const tasks: Record<string, () => Promise<void>> = {
  "sum and close": async () => {
    const comm = openMpi(options);
    const buffer = new Float32Array(100_000).fill(comm.rank + 1);
    comm.allReduce(buffer).wait();
    await comm.barrier();
    comm.close();
    parentPort?.postMessage({ rank: comm.rank, sum: buffer[99_999] });
  },
  /** Large operations that rank 0 starts and waits in, and that no other rank comes to. */
  "wait for ever": async () => {
    const comm = openMpi({ timeoutMs: 20_000, heartbeatMs: 100 });
    comm.barrier().wait();
    if (comm.rank === 0) for (let i = 0; i < 4; i++) comm.allReduce(new Float32Array(3_000_000));
    parentPort?.postMessage(comm.rank);
    if (comm.rank === 0) comm.barrier().wait();
    else await pause(60_000);
  },
};

function work(task: string): Worker {
  return new Worker(new URL(import.meta.url), { workerData: task });
}

const scenarios: Record<string, () => Promise<void>> = {
  "in a worker": async () => {
    const worker = work("sum and close");
    worker.on("message", print);
    await once(worker, "exit");
    print({ again: problemOf(() => openMpi(options)).message });
  },
  "opened twice": async () => {
    const comm = openMpi(options);
    comm.barrier().wait();
    comm.close();
    comm.close();
    print({ again: problemOf(() => openMpi(options)), after: problemOf(() => comm.barrier()) });
  },
  /** The process goes on after its worker was terminated in the middle of operations, and memory is used again. */
  "worker terminated": async () => {
    const worker = work("wait for ever");
    const [rank] = await once(worker, "message");
    await pause(rank === 0 ? 100 : 800);
    const code = await worker.terminate();
    if (rank !== 0) return;
    const used = Array.from({ length: 40 }, () => new Float32Array(1_000_000).fill(7));
    await pause(300);
    print({ code, intact: used.every((array) => array.every((value) => value === 7)) });
  },
  "exit while a worker waits": async () => {
    const [rank] = await once(work("wait for ever"), "message");
    if (rank !== 0) await pause(800);
    else print({ exiting: true });
    process.exit(0);
  },
  "nothing left to do": async () => {
    const comm = openMpi(options);
    await comm.barrier();
    print({ rank: comm.rank });
  },
  "another family's library": async () => {
    const other = launchedBy() === "openmpi" ? "mpich" : "openmpi";
    print(problemOf(() => openMpi({ ...options, library: other })));
  },
  "no library": async () => print(problemOf(() => openMpi({ ...options, library: process.argv[3] as string }))),
  "not launched": async () => print({ by: launchedBy() ?? "nobody", ...problemOf(() => openMpi(options)) }),
};

if (isMainThread) await scenarios[process.argv[2] as string]?.();
else await tasks[workerData as string]?.();
