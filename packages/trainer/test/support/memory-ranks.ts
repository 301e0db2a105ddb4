import type { Communicator, Payload, Pending } from "@cai/native";

interface Round {
  readonly kind: string;
  readonly arrived: (() => void)[];
  /** One for each rank, by rank. */
  readonly parts: Uint8Array[];
  readonly done: Promise<void>;
  readonly finish: () => void;
}

/**
 * Ranks that are functions of one thread: operations meet in memory and are awaited, never waited for. A rank that
 * gives another kind of operation than the others, or another size, fails the test.
 */
export async function onMemoryRanks<T>(size: number, work: (comm: Communicator) => Promise<T>): Promise<T[]> {
  const rounds: Round[] = [];
  return await Promise.all(Array.from({ length: size }, (_, rank) => work(new MemoryRank(rank, size, rounds))));
}

class MemoryRank implements Communicator {
  readonly localRanks: readonly number[];
  bytesSent = 0;
  #next = 0;

  constructor(
    readonly rank: number,
    readonly size: number,
    private readonly rounds: Round[],
  ) {
    this.localRanks = Array.from({ length: size }, (_, i) => i);
  }

  allGather<T extends Payload>(send: T, receive: T): Pending {
    return this.#meet("all-gather", send, (parts) => {
      const whole = bytesOf(receive);
      parts.forEach((part, rank) => {
        if (part.length * parts.length !== whole.length) throw new Error("all-gather: sizes differ");
        whole.set(part, rank * part.length);
      });
    });
  }

  broadcast(buffer: Payload, root: number): Pending {
    return this.#meet(`broadcast from ${root}`, buffer, (parts) => {
      const source = parts[root] as Uint8Array;
      if (source.length !== buffer.byteLength) throw new Error("broadcast: sizes differ");
      if (this.rank !== root) bytesOf(buffer).set(source);
    });
  }

  barrier(): Pending {
    return this.#meet("barrier", new Uint8Array(0), () => {});
  }

  allToAll(): Pending {
    throw new Error("not needed here");
  }

  reduceScatter(): Pending {
    throw new Error("not needed here");
  }

  allReduce(): Pending {
    throw new Error("not needed here");
  }

  duplicate(): Communicator {
    throw new Error("not needed here");
  }

  split(): Communicator {
    throw new Error("not needed here");
  }

  close(): void {}

  #meet(kind: string, own: Payload, receive: (parts: readonly Uint8Array[]) => void): Pending {
    const number = this.#next++;
    this.rounds[number] ??= newRound(kind);
    const round = this.rounds[number];
    if (round.kind !== kind) throw new Error(`operation ${number}: rank ${this.rank} gives ${kind}, not ${round.kind}`);
    round.parts[this.rank] = bytesOf(own);
    round.arrived.push(() => receive(round.parts));
    // All at once, before anybody touches a buffer again.
    if (round.arrived.length === this.size) {
      for (const take of round.arrived) take();
      round.finish();
    }
    const { size } = this;
    return {
      get done() {
        return round.arrived.length === size;
      },
      wait: () => {
        throw new Error("one thread can't wait for itself");
      },
      // biome-ignore lint/suspicious/noThenProperty: a Pending is awaited.
      then: (onDone, onError) => round.done.then(onDone, onError),
    };
  }
}

function newRound(kind: string): Round {
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { kind, arrived: [], parts: [], done, finish };
}

function bytesOf(payload: Payload): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}
