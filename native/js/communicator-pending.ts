import type { Payload, Pending } from "./communicator.js";

/** What the addon has for the communicator; `await*` return after `milliseconds` at the latest. */
export interface NativeCommunicator {
  /** @param settings `NAME=value` for this process's environment, where it has no such variable */
  load(
    thin: string,
    libraries: readonly string[],
    settings: readonly string[],
    ignoreSigusr1: boolean,
  ): { library?: string; tried: string[] };
  start(timeoutMs: number, heartbeatMs: number): void;
  awaitStart(milliseconds: number): World | undefined;
  addGroup(group: number, ranks: readonly number[]): void;
  bytesSent(group: number): number;
  post(kind: number, group: number, send?: Payload, receive?: Payload, root?: number): number;
  await(operation: number, milliseconds: number): boolean;
  /** Has `callback` called some time after an announced operation is over. */
  setBell(callback: () => void): void;
  /** False when the operation is over already. */
  announce(operation: number): boolean;
  /** Whether the bell keeps the process alive. */
  hold(on: boolean): void;
  /** Whether everything has failed. */
  failed(): boolean;
  beginClose(): void;
  awaitClose(milliseconds: number): "open" | "parted" | "ended";
}

/** All ranks: their machines, and those that are on this rank's. */
export interface World {
  readonly rank: number;
  readonly hosts: readonly string[];
  readonly local: readonly number[];
}

/** A blocked thread comes back to JavaScript this often, where it can be terminated. */
export const sliceMs = 100;

/** An operation under the number that the addon gave it. */
export class MpiPending implements Pending {
  readonly #native: NativeCommunicator;
  readonly #awaited: Awaited;
  readonly #operation: number;
  #done = false;
  #settled: Promise<void> | undefined;

  constructor(native: NativeCommunicator, awaited: Awaited, operation: number) {
    this.#native = native;
    this.#awaited = awaited;
    this.#operation = operation;
  }

  get done(): boolean {
    this.#done ||= this.#native.await(this.#operation, 0);
    return this.#done;
  }

  wait(): void {
    while (!this.#done) this.#done = this.#native.await(this.#operation, sliceMs);
  }

  // biome-ignore lint/suspicious/noThenProperty: a Pending can be awaited
  readonly then: PromiseLike<void>["then"] = (onFulfilled, onRejected) => {
    this.#settled ??= this.#awaited.settled(this, this.#operation);
    return this.#settled.then(onFulfilled, onRejected);
  };
}

interface Entry {
  pending: Pending;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

/** The operations that somebody awaits. Those that are polled or waited for never come here, and cost nothing. */
export class Awaited {
  readonly #native: NativeCommunicator;
  readonly #entries = new Set<Entry>();
  #belled = false;

  constructor(native: NativeCommunicator) {
    this.#native = native;
  }

  /** Settles when the operation is over; the process stays alive until then. */
  settled(pending: Pending, operation: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#belled) this.#native.setBell(() => this.#look());
      this.#belled = true;
      const entry = { pending, resolve, reject };
      if (!this.#native.announce(operation)) {
        settle(entry);
        return;
      }
      this.#entries.add(entry);
      if (this.#entries.size === 1) this.#native.hold(true);
    });
  }

  #look(): void {
    if (this.#entries.size === 0) return;
    for (const entry of this.#entries) if (settle(entry)) this.#entries.delete(entry);
    if (this.#entries.size === 0) this.#native.hold(false);
  }
}

/** Whether it could be settled. */
function settle({ pending, resolve, reject }: Entry): boolean {
  try {
    if (!pending.done) return false;
    resolve();
  } catch (error) {
    reject(error);
  }
  return true;
}
