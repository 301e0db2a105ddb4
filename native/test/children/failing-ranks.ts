// What the other ranks learn when rank 1 fails. Usage: <scenario> <timeoutMs>; each rank that learns of it prints
// { rank, code, message, afterMs, again, closeMs }.
import { isCaiError, openMpi, type Pending } from "../../js/index.js";

const [scenario, timeout] = process.argv.slice(2) as [string, string];
const world = openMpi({ timeoutMs: Number(timeout), heartbeatMs: 100 });
const { rank, size } = world;
const culprit = 1;
const large = new Float32Array(2_000_000);

const pids = new Float64Array(size);
world.allGather(new Uint8Array(Float64Array.of(process.pid).buffer), new Uint8Array(pids.buffer)).wait();

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** What rank 1 does while the others go on with operations. */
const failures: Record<string, () => void> = {
  "is killed": () => process.kill(process.pid, "SIGKILL"),
  "is stopped": () => process.kill(process.pid, "SIGSTOP"),
  "hangs in JavaScript": () => block(2.5 * Number(timeout)),
  "exits without close": () => process.exit(0),
  throws: () => {
    throw new Error("a mistake in rank 1");
  },
  "sends another size": () => world.allReduce(large.subarray(0, 100)).wait(),
};

/** Operations until one fails. */
function goOn(): void {
  if (scenario === "hangs while another waits for it") {
    // Rank 0 waits for rank 2, which waits for rank 1.
    const first = rank === 1 ? 1 : 0;
    const pair = world.split(first, rank);
    const chain = world.split(rank === 0 ? 1 : 0, rank);
    if (rank === culprit) block(2.5 * Number(timeout));
    if (rank === 2) chain.barrier().wait();
    pair.barrier().wait();
    chain.barrier().wait();
    return;
  }
  if (scenario === "is killed in the middle of a transfer") {
    if (rank === culprit) setTimeout(() => process.kill(process.pid, "SIGKILL"), 100);
    return;
  }
  if (rank === culprit) failures[scenario]?.();
  for (;;) world.allReduce(large).wait();
}

function messageOf(body: () => Pending): string {
  try {
    body();
    return "nothing was thrown";
  } catch (error) {
    return (error as Error).message;
  }
}

const start = performance.now();
try {
  goOn();
  for (;;) await world.allReduce(large);
} catch (error) {
  if (!isCaiError(error)) throw error;
  const afterMs = performance.now() - start;
  const again = messageOf(() => world.barrier());
  const closing = performance.now();
  world.close();
  const closeMs = performance.now() - closing;
  console.log(JSON.stringify({ rank, code: error.code, message: error.message, afterMs, again, closeMs }));
  if (scenario === "is stopped" && rank === 0) process.kill(pids[culprit] as number, "SIGCONT");
  process.exit(3);
}
