import { CaiError } from "@cai/native";
import type { ReduceCommunicator, ReducePending } from "@cai/squinch";

interface Part {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

type Kind = "allToAll" | "allGather";

/** One collective operation: it happens when the last rank has come to it. */
class Meeting {
  readonly #parts: (Part | undefined)[];
  readonly #kind: Kind;
  happened = false;

  constructor(kind: Kind, size: number) {
    this.#kind = kind;
    this.#parts = new Array(size).fill(undefined);
  }

  join(kind: Kind, rank: number, part: Part): void {
    if (kind !== this.#kind) throw new CaiError("E_COMM", kind, `rank ${rank} met others in ${this.#kind}`);
    this.#parts[rank] = part;
    if (this.#parts.includes(undefined)) return;
    const parts = this.#parts as Part[];
    for (const [to, { receive }] of parts.entries()) {
      parts.forEach(({ send }, from) => {
        const length = receive.length / parts.length;
        const piece = kind === "allToAll" ? send.subarray(to * length, (to + 1) * length) : send;
        receive.set(piece, from * length);
      });
    }
    this.happened = true;
  }
}

/**
 * The communicators of ranks that live in one thread. What a rank starts is done when all have started it, so nobody
 * may wait before that: `wait` throws then.
 */
export function memoryGroup(size: number): ReduceCommunicator[] {
  const meetings = new Map<number, Meeting>();
  return Array.from({ length: size }, (_, rank) => {
    let next = 0;
    const start = (kind: Kind, send: Uint8Array, receive: Uint8Array): ReducePending => {
      const number = next++;
      const meeting = meetings.get(number) ?? new Meeting(kind, size);
      meetings.set(number, meeting);
      meeting.join(kind, rank, { send, receive });
      // Nobody comes to it again.
      if (meeting.happened) meetings.delete(number);
      return pendingOf(meeting);
    };
    return {
      rank,
      size,
      allToAll: (send, receive) => start("allToAll", send, receive),
      allGather: (send, receive) => start("allGather", send, receive),
    };
  });
}

function pendingOf(meeting: Meeting): ReducePending {
  const wait = () => {
    if (!meeting.happened) throw new CaiError("E_COMM", "memory group", "a rank waited before all others had come");
  };
  return {
    get done() {
      return meeting.happened;
    },
    wait,
    // biome-ignore lint/suspicious/noThenProperty: a pending operation may be awaited.
    then: (fulfilled, rejected) =>
      new Promise<void>((resolve, reject) => {
        try {
          wait();
          resolve();
        } catch (error) {
          reject(error);
        }
      }).then(fulfilled, rejected),
  };
}
