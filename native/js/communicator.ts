/** A collective operation on its way: await it, ask whether it is over, or block this thread until it is. */
export interface Pending extends PromiseLike<void> {
  /** Whether the buffers may be used again. @throws CaiError `E_COMM` when the operation failed. */
  readonly done: boolean;
  /** Blocks this thread until it is done. @throws CaiError `E_COMM`. */
  wait(): void;
}

/** What a collective operation reads and writes: float32 values or plain bytes. */
export type Payload = Float32Array | Uint8Array;

/**
 * The same operations on every rank, in the same order, with the same sizes; each returns at once and runs beside the
 * caller. The buffers of an operation must not be touched before it is done.
 */
export interface Communicator {
  /** This process's number, from 0. */
  readonly rank: number;
  /** How many processes take part. */
  readonly size: number;
  /** The ranks on this machine, this one included, in rising order. */
  readonly localRanks: readonly number[];
  /** Bytes given to other ranks so far. */
  readonly bytesSent: number;

  /** Part r of `send` (size equal parts) reaches rank r, where part s of `receive` is what rank s sent. */
  allToAll<T extends Payload>(send: T, receive: T): Pending;
  /** `receive` becomes all ranks' `send`, in the order of ranks. */
  allGather<T extends Payload>(send: T, receive: T): Pending;
  /** `receive` becomes part `rank` (of size equal parts) of the sum of all ranks' `send`, added in the order of ranks. */
  reduceScatter(send: Float32Array, receive: Float32Array): Pending;
  /** `buffer` becomes the sum of all ranks', added in the order of ranks: the same bits everywhere. */
  allReduce(buffer: Float32Array): Pending;
  /** `buffer` becomes the root's. */
  broadcast(buffer: Payload, root: number): Pending;
  /** Done when every rank has come here. */
  barrier(): Pending;

  /** The same ranks with an order of operations of their own. Every rank must call it; blocks. */
  duplicate(): Communicator;
  /** The ranks that gave the same `color`, numbered by `key` and then by rank. Every rank must call it; blocks. */
  split(color: number, key: number): Communicator;
  /**
   * Ends this communicator; the first one made also ends MPI. Every rank must call it; it waits for the others.
   * After a failure it does nothing.
   */
  close(): void;
}
