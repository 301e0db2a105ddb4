/** A collective operation on its way. */
export interface ReducePending extends PromiseLike<void> {
  /** Whether the buffers may be used again; throws when the operation failed. */
  readonly done: boolean;
  /** Blocks this thread until it is done. */
  wait(): void;
}

/**
 * What an exchange needs of several processes: `@cai/native`'s communicators have this shape, and so may any other. The
 * operations are called on every rank in the same order, return at once, and leave their buffers alone once done.
 */
export interface ReduceCommunicator {
  /** This process's number, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Part r of `send` (size equal parts) reaches rank r, where part s of `receive` is what rank s sent. */
  allToAll(send: Uint8Array, receive: Uint8Array): ReducePending;
  /** `receive` becomes all ranks' `send`, in the order of ranks. */
  allGather(send: Uint8Array, receive: Uint8Array): ReducePending;
}
