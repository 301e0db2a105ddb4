import { CaiError } from "@cai/portable/error";
import type { Communicator, Payload, Pending } from "./communicator.js";
import { chooseMpi, launchedBy, launchedSize, type MpiChoice, type MpiFamily } from "./communicator-launch.js";
import { Awaited, MpiPending, type NativeCommunicator, sliceMs, type World } from "./communicator-pending.js";
import { loadAddon } from "./load.js";

export interface OpenMpiOptions {
  /** A rank that has been silent, or has kept others waiting, for this long ends everything. Default 60,000. */
  timeoutMs?: number;
  /** How often each rank tells the others that it lives; at most a third of `timeoutMs`. Default 1,000. */
  heartbeatMs?: number;
  /** `openmpi`, `mpich` or the path of an MPI library; default `CAI_MPI`, else by the launcher's environment. */
  library?: string;
}

/** As the binding counts them. */
enum Kind {
  allToAll = 0,
  allGather = 1,
  reduceScatter = 2,
  allReduce = 3,
  broadcast = 4,
  barrier = 5,
}

// Starting may take longer than a rank may be silent afterwards.
const startMs = 60_000;
const finalizeMs = 2000;

/**
 * All processes that the launcher started, over MPI. Every rank must call it, once; it blocks until all have.
 *
 * One native thread of this process makes all calls of MPI and lives until `close()`.
 *
 * @throws CaiError `E_CONFIG` when no launcher started this process, `E_LOAD` saying what was tried when there is no MPI
 *   library, `E_COMM` when MPI doesn't start or has been started in this process before, `E_ARGUMENT`.
 */
export function openMpi(options: OpenMpiOptions = {}): Communicator {
  const { timeoutMs = 60_000, heartbeatMs = 1000 } = options;
  const least = 3 * heartbeatMs;
  if (!(Number.isInteger(heartbeatMs) && heartbeatMs >= 1 && Number.isInteger(timeoutMs) && timeoutMs >= least)) {
    const came = `got timeoutMs ${timeoutMs} and heartbeatMs ${heartbeatMs}`;
    const message = `timeoutMs must be an integer of at least three times heartbeatMs, which must be 1 or more, ${came}`;
    throw new CaiError("E_ARGUMENT", "communicator", message);
  }
  const native = loadAddon().communicator as unknown as NativeCommunicator;
  const choice = chooseMpi(options.library);
  const { library, tried } = load(native, choice);
  if (library === undefined) throw new CaiError("E_LOAD", "communicator", explain(choice, tried));
  native.start(timeoutMs, heartbeatMs);
  const world = waitFor(() => native.awaitStart(sliceMs), Math.max(timeoutMs, startMs), "MPI did not start");
  const launched = launchedSize();
  if (launched !== undefined && launched !== world.hosts.length) {
    const message = `the launcher started ${launched} processes, but ${choice.title} (${library}) knows ${world.hosts.length}: \
launcher and library must be of one family`;
    throw new CaiError("E_COMM", "communicator", message);
  }
  const ranks = world.hosts.map((_, rank) => rank);
  return new MpiCommunicator({ native, awaited: new Awaited(native), world, timeoutMs, nextGroup: 1 }, 0, ranks);
}

/** What a process could use, and how it was started. */
export interface MpiInfo {
  /** The launcher's family; absent when no launcher started this process. */
  readonly launchedBy?: MpiFamily;
  /** The library that {@link openMpi} would use, of the launcher's family or of either; absent when there is none. */
  readonly library?: string;
  /** What was tried without success. */
  readonly tried: readonly string[];
}

/** Tells which MPI there is, loading its library but not starting it. @throws CaiError `E_LOAD` without the addon, `E_CONFIG`. */
export function mpiInfo(): MpiInfo {
  const native = loadAddon().communicator as unknown as NativeCommunicator;
  const launcher = launchedBy();
  const isChosen = launcher !== undefined || Boolean(process.env.CAI_MPI);
  const choices = isChosen ? [chooseMpi()] : [chooseMpi("openmpi"), chooseMpi("mpich")];
  const tried: string[] = [];
  for (const choice of choices) {
    const found = load(native, choice);
    if (found.library !== undefined) {
      return { ...(launcher && { launchedBy: launcher }), library: found.library, tried };
    }
    tried.push(...found.tried);
  }
  return { ...(launcher && { launchedBy: launcher }), tried };
}

function load(native: NativeCommunicator, { thin, libraries, settings, ignoreSigusr1 }: MpiChoice) {
  return native.load(thin, libraries, settings, ignoreSigusr1);
}

function explain({ title, debian, headers, thin }: MpiChoice, tried: readonly string[]): string {
  const ours = tried.at(-1)?.includes(thin);
  const advice = ours
    ? `build the addon again where the headers of ${title} are (Debian and Ubuntu: sudo apt-get install ${headers})`
    : `install it (Debian and Ubuntu: sudo apt-get install ${debian}), or name another library of the launcher's family ` +
      "in CAI_MPI (openmpi, mpich or a path)";
  return [`${title} could not be opened. Tried:`, ...tried.map((line) => `  ${line}`), `What to do: ${advice}.`].join(
    "\n",
  );
}

/** Asks until there is an answer. @throws CaiError `E_COMM` when there is none in time. */
function waitFor<Result>(ask: () => Result | undefined, timeoutMs: number, complaint: string): Result {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = ask();
    if (answer !== undefined) return answer;
    if (performance.now() < end) continue;
    const message = `${complaint} within ${timeoutMs / 1000} s: see whether all ranks have come this far, and what they printed`;
    throw new CaiError("E_COMM", "communicator", message);
  }
}

/** What all communicators of the process share. */
interface Shared {
  readonly native: NativeCommunicator;
  readonly awaited: Awaited;
  readonly world: World;
  readonly timeoutMs: number;
  /** A number for a new group that this rank has not used yet. */
  nextGroup: number;
}

class MpiCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly localRanks: readonly number[];
  readonly #shared: Shared;
  readonly #group: number;
  readonly #ranks: readonly number[];
  #last: Pending | undefined;
  #closed = false;

  /** @param ranks the members, as ranks of the world */
  constructor(shared: Shared, group: number, ranks: readonly number[]) {
    this.#shared = shared;
    this.#group = group;
    this.#ranks = ranks;
    this.rank = ranks.indexOf(shared.world.rank);
    this.size = ranks.length;
    const local = new Set(shared.world.local);
    this.localRanks = ranks.flatMap((member, rank) => (local.has(member) ? [rank] : []));
  }

  get bytesSent(): number {
    return this.#shared.native.bytesSent(this.#group);
  }

  allToAll<T extends Payload>(send: T, receive: T): Pending {
    return this.#post(Kind.allToAll, send, receive);
  }

  allGather<T extends Payload>(send: T, receive: T): Pending {
    return this.#post(Kind.allGather, send, receive);
  }

  reduceScatter(send: Float32Array, receive: Float32Array): Pending {
    return this.#post(Kind.reduceScatter, send, receive);
  }

  allReduce(buffer: Float32Array): Pending {
    return this.#post(Kind.allReduce, buffer);
  }

  broadcast(buffer: Payload, root: number): Pending {
    return this.#post(Kind.broadcast, buffer, undefined, root);
  }

  barrier(): Pending {
    return this.#post(Kind.barrier);
  }

  duplicate(): Communicator {
    return this.split(0, this.rank);
  }

  split(color: number, key: number): Communicator {
    if (!(Number.isInteger(color) && color >= 0 && Number.isInteger(key))) {
      const message = `split: color must be an integer of 0 or more and key an integer, got ${color} and ${key}`;
      throw new CaiError("E_ARGUMENT", "communicator", message);
    }
    const mine = Float64Array.of(color, key, this.#shared.nextGroup);
    const all = new Float64Array(mine.length * this.size);
    this.allGather(new Uint8Array(mine.buffer), new Uint8Array(all.buffer)).wait();
    const entries = this.#ranks.map((world, rank) => {
      const [color, key, next] = all.subarray(mine.length * rank) as unknown as [number, number, number];
      return { world, rank, color, key, next };
    });
    // New to every member of this communicator, whatever communicators it has made with others.
    const group = Math.max(...entries.map(({ next }) => next));
    this.#shared.nextGroup = group + 1;
    const members = entries.filter((entry) => entry.color === color);
    members.sort((a, b) => a.key - b.key || a.rank - b.rank);
    const ranks = members.map(({ world }) => world);
    this.#shared.native.addGroup(group, ranks);
    return new MpiCommunicator(this.#shared, group, ranks);
  }

  close(): void {
    if (this.#closed) return;
    const { native, timeoutMs } = this.#shared;
    if (native.failed()) return;
    if (this.#group !== 0) {
      this.#last?.wait();
      this.#closed = true;
      return;
    }
    this.barrier().wait();
    this.#closed = true;
    native.beginClose();
    const askOthers = () => (native.awaitClose(sliceMs) === "open" ? undefined : true);
    waitFor(askOthers, timeoutMs, "the ranks did not all close");
    // No rank needs another any more; some builds of MPICH never come back from MPI_Finalize over TCP.
    for (let left = finalizeMs; left > 0 && native.awaitClose(sliceMs) === "parted"; left -= sliceMs);
  }

  #post(kind: Kind, send?: Payload, receive?: Payload, root?: number): Pending {
    if (this.#closed) throw new CaiError("E_COMM", "communicator", "this communicator is closed: make another");
    const { native, awaited } = this.#shared;
    refuseResizable(send);
    refuseResizable(receive);
    this.#last = new MpiPending(native, awaited, native.post(kind, this.#group, send, receive, root));
    return this.#last;
  }
}

/** One that shrinks takes the memory away under an operation, and nothing could hold it. */
function refuseResizable(payload: Payload | undefined): void {
  if (!(payload?.buffer as { resizable?: boolean } | undefined)?.resizable) return;
  throw new CaiError("E_ARGUMENT", "communicator", "a buffer must not be resizable: use one of a fixed length");
}
