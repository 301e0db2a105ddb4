import { CaiError, type Communicator, isCaiError, type Pending } from "@cai/native";
import { describeFailure, type Failure, failureOfOthers } from "./failures.js";
import { broadcastJson } from "./messages.js";

/** What rank 0 may do with the others while it works alone. */
export interface Leader {
  /** Tells the others that this rank is at work. To be called now and then where nothing is awaited for long. */
  readonly alive: () => void;
  /**
   * Bytes [begin, end) of what a rank offers under a number. The memory is used again by the next fetch.
   *
   * @throws CaiError `E_COMM`.
   */
  fetch(rank: number, item: number, begin: number, end: number): Promise<Uint8Array>;
}

/** The bytes that a rank offers under a number; they must not change meanwhile. */
export type Offer = (item: number) => Uint8Array;

const noOffer: Offer = (item) => {
  throw new CaiError("E_INTERNAL", "train", `nothing is offered under ${item}`);
};

/** What rank 0 tells the others, as five float64: kind, rank, item, begin, end. */
const commands = { alive: 0, fetch: 1, done: 2, failed: 3 } as const;
const commandLength = 5;

/**
 * Lets rank 0 do something that takes as long as it takes, such as writing a checkpoint, while the others wait for it:
 * they hear from it in short intervals, so that one that hangs is still told from one that works, and give it what it
 * fetches. Where it fails, it fails on all ranks.
 *
 * @param settings.timeoutS after which the others give rank 0 up.
 * @param offer what this rank gives; needed where rank 0 fetches.
 * @returns what `work` returned on rank 0, undefined elsewhere.
 */
export async function ledByRankZero<T>(
  comm: Communicator,
  { timeoutS }: { readonly timeoutS: number },
  work: (leader: Leader) => T | Promise<T>,
  offer: Offer = noOffer,
): Promise<T | undefined> {
  if (comm.size === 1) return await work(new SoleLeader(offer));
  if (comm.rank !== 0) return await follow(comm, offer);
  const leader = new LeadingRank(comm, (1000 * timeoutS) / 4, offer);
  try {
    const value = await work(leader);
    await leader.end(commands.done);
    return value;
  } catch (error) {
    leader.rest();
    if (isCaiError(error) && error.code === "E_COMM") throw error;
    await leader.end(commands.failed);
    await broadcastJson<Failure>(comm, describeFailure(error));
    throw error;
  }
}

class SoleLeader implements Leader {
  constructor(private readonly offer: Offer) {}

  readonly alive = () => {};

  async fetch(_rank: number, item: number, begin: number, end: number): Promise<Uint8Array> {
    return this.offer(item).subarray(begin, end);
  }
}

class LeadingRank implements Leader {
  readonly #comm: Communicator;
  readonly #pulseMs: number;
  readonly #offer: Offer;
  readonly #timer: NodeJS.Timeout;
  #buffer = new Uint8Array(0);
  #pulse: Pending | undefined;
  #toldAt = performance.now();
  #failure: unknown;

  constructor(comm: Communicator, pulseMs: number, offer: Offer) {
    this.#comm = comm;
    this.#pulseMs = pulseMs;
    this.#offer = offer;
    this.#timer = setInterval(() => this.#pulseOrNote(), pulseMs / 2);
  }

  readonly alive = (): void => {
    this.#pulseOrNote();
    if (this.#failure !== undefined) throw this.#failure;
  };

  async fetch(rank: number, item: number, begin: number, end: number): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure;
    if (rank === this.#comm.rank) return this.#offer(item).subarray(begin, end);
    if (this.#buffer.length < end - begin) this.#buffer = new Uint8Array(end - begin);
    const bytes = this.#buffer.subarray(0, end - begin);
    // Begun in one go: no pulse may come between the two.
    const told = this.#tell(commands.fetch, rank, item, begin, end);
    const received = this.#comm.broadcast(bytes, rank);
    await told;
    await received;
    return bytes;
  }

  rest(): void {
    clearInterval(this.#timer);
  }

  /** The last command; the others listen no more. */
  async end(kind: number): Promise<void> {
    this.rest();
    if (this.#failure !== undefined) throw this.#failure;
    await this.#tell(kind);
  }

  /** From a timer too, where a failure can only be kept for later. */
  #pulseOrNote(): void {
    if (performance.now() - this.#toldAt < this.#pulseMs || this.#failure !== undefined) return;
    try {
      if (this.#pulse?.done !== false) this.#pulse = this.#tell(commands.alive);
    } catch (error) {
      this.#failure = error;
    }
  }

  #tell(...command: number[]): Pending {
    this.#toldAt = performance.now();
    const values = new Float64Array(commandLength);
    values.set(command);
    return this.#comm.broadcast(new Uint8Array(values.buffer), 0);
  }
}

async function follow(comm: Communicator, offer: Offer): Promise<undefined> {
  const command = new Float64Array(commandLength);
  let scratch = new Uint8Array(0);
  for (;;) {
    await comm.broadcast(new Uint8Array(command.buffer), 0);
    const [kind, rank = 0, item = 0, begin = 0, end = 0] = command;
    if (kind === commands.done) return undefined;
    if (kind === commands.failed) throw failureOfOthers(new Map([[0, await broadcastJson(comm, noFailure)]]));
    if (kind === commands.alive) continue;
    if (scratch.length < end - begin) scratch = new Uint8Array(end - begin);
    const bytes = rank === comm.rank ? offer(item).subarray(begin, end) : scratch.subarray(0, end - begin);
    await comm.broadcast(bytes, rank);
  }
}

/** What the ranks other than 0 give to a broadcast from rank 0. */
const noFailure: Failure = { message: "" };
