import { CaiError } from "@cai/portable/error";
import type { Communicator, Payload, Pending } from "./communicator.js";

const over: Pending = {
  done: true,
  wait() {},
  // biome-ignore lint/suspicious/noThenProperty: a Pending can be awaited
  then: (onFulfilled, onRejected) => Promise.resolve().then(onFulfilled, onRejected),
};

/** A communicator of this process alone: every operation copies at once and is over when it returns. */
export function singleProcess(): Communicator {
  return new SingleProcess();
}

class SingleProcess implements Communicator {
  readonly rank = 0;
  readonly size = 1;
  readonly localRanks = [0];
  readonly bytesSent = 0;
  #closed = false;

  allToAll<T extends Payload>(send: T, receive: T): Pending {
    return this.#copy("allToAll", send, receive);
  }

  allGather<T extends Payload>(send: T, receive: T): Pending {
    return this.#copy("allGather", send, receive);
  }

  reduceScatter(send: Float32Array, receive: Float32Array): Pending {
    return this.#copy("reduceScatter", send, receive);
  }

  allReduce(_buffer: Float32Array): Pending {
    return this.#nothing();
  }

  broadcast(_buffer: Payload, root: number): Pending {
    if (root !== 0) throw new CaiError("E_ARGUMENT", "communicator", `broadcast: root must be 0, got ${root}`);
    return this.#nothing();
  }

  barrier(): Pending {
    return this.#nothing();
  }

  duplicate(): Communicator {
    this.#nothing();
    return new SingleProcess();
  }

  split(_color: number, _key: number): Communicator {
    return this.duplicate();
  }

  close(): void {
    this.#closed = true;
  }

  #copy(op: string, send: Payload, receive: Payload): Pending {
    if (send.length !== receive.length || send.constructor !== receive.constructor) {
      const came = `a ${send.constructor.name} of ${send.length} and a ${receive.constructor.name} of ${receive.length}`;
      throw new CaiError(
        "E_SHAPE",
        "communicator",
        `${op}: send and receive must have one type and length, got ${came}`,
      );
    }
    receive.set(send);
    return this.#nothing();
  }

  #nothing(): Pending {
    if (this.#closed) throw new CaiError("E_COMM", "communicator", "this communicator is closed: make another");
    return over;
  }
}
