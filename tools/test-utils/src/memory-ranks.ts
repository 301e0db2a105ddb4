type Bytes = Uint8Array | Float32Array;

/** One rank of several that live in this process. Operations end some turns after the last rank has called them. */
export interface MemoryRank {
  readonly rank: number;
  readonly size: number;
  readonly localRanks: readonly number[];
  readonly bytesSent: number;
  allToAll<T extends Bytes>(send: T, receive: T): MemoryPending;
  allGather<T extends Bytes>(send: T, receive: T): MemoryPending;
  /** The same ranks with an order of operations of their own. */
  duplicate(): MemoryRank;
}

interface Call {
  readonly kind: string;
  readonly send: Bytes;
  readonly receive: Bytes;
  readonly pending: MemoryPending;
}

/** An operation on its way: it can't be waited for, since the other ranks need this thread. */
class MemoryPending implements PromiseLike<void> {
  done = false;
  readonly #promise: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor() {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever only polls never looks at the promise.
    this.#promise.catch(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: it is there to be awaited.
  get then(): Promise<void>["then"] {
    return this.#promise.then.bind(this.#promise);
  }

  wait(): void {
    if (!this.done) throw new Error("ranks of one process can't block: await the operation");
  }

  finish(): void {
    this.done = true;
    this.#resolve();
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

/** What the ranks of one communicator share. */
class Room {
  readonly size: number;
  readonly #random: () => number;
  readonly #calls = new Map<number, Call[]>();
  readonly #copies: Room[] = [];

  constructor(size: number, random: () => number) {
    this.size = size;
    this.#random = random;
  }

  copy(number: number): Room {
    this.#copies[number] ??= new Room(this.size, this.#random);
    return this.#copies[number] as Room;
  }

  call(number: number, rank: number, call: Call): void {
    const calls = this.#calls.get(number) ?? [];
    this.#calls.set(number, calls);
    calls[rank] = call;
    if (calls.filter(Boolean).length < this.size) return;
    this.#calls.delete(number);
    const mismatch = calls.find(({ kind, send }) => kind !== call.kind || send.length !== call.send.length);
    if (mismatch) {
      const error = new Error(`ranks disagree: ${mismatch.kind} ${mismatch.send.length}, ${kindOf(call)}`);
      for (const { pending } of calls) pending.fail(error);
      return;
    }
    deliver(calls);
    for (const { pending } of calls) this.#finishSoon(pending, Math.floor(this.#random() * 4));
  }

  #finishSoon(pending: MemoryPending, turns: number): void {
    if (turns === 0) pending.finish();
    else setImmediate(() => this.#finishSoon(pending, turns - 1));
  }
}

function kindOf({ kind, send }: Call): string {
  return `${kind} ${send.length}`;
}

function deliver(calls: readonly Call[]): void {
  calls.forEach(({ kind, receive }, rank) => {
    const length = receive.length / calls.length;
    calls.forEach(({ send }, from) => {
      receive.set(kind === "allGather" ? send : send.subarray(rank * length, (rank + 1) * length), from * length);
    });
  });
}

function rankIn(room: Room, rank: number): MemoryRank {
  let calls = 0;
  let copies = 0;
  let bytesSent = 0;
  const call = (kind: string, send: Bytes, receive: Bytes, parts: number) => {
    const pending = new MemoryPending();
    bytesSent += (send.byteLength / parts) * (room.size - 1);
    room.call(calls++, rank, { kind, send, receive, pending });
    return pending;
  };
  return {
    rank,
    size: room.size,
    localRanks: Array.from({ length: room.size }, (_, i) => i),
    get bytesSent() {
      return bytesSent;
    },
    allToAll: (send, receive) => call("allToAll", send, receive, room.size),
    allGather: (send, receive) => call("allGather", send, receive, 1),
    duplicate: () => rankIn(room.copy(copies++), rank),
  };
}

/**
 * Ranks that share this process, for asynchronous tests of what runs over a communicator.
 *
 * @param seed of how long operations take.
 */
export function memoryRanks(size: number, seed = 1): MemoryRank[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const room = new Room(size, random);
  return Array.from({ length: size }, (_, rank) => rankIn(room, rank));
}
