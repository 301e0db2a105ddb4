import type { Communicator } from "@cai/native";

/**
 * What every rank gives, on every rank, in the order of ranks: one small all-gather of float64. Blocks.
 *
 * @param numbers as many on every rank. @throws CaiError `E_COMM`.
 */
export function gather(communicator: Communicator, numbers: readonly number[]): number[][] {
  if (communicator.size === 1) return [[...numbers]];
  const send = new Uint8Array(Float64Array.from(numbers).buffer);
  const receive = new Uint8Array(send.length * communicator.size);
  communicator.allGather(send, receive).wait();
  const all = new Float64Array(receive.buffer);
  return Array.from({ length: communicator.size }, (_, rank) => [
    ...all.subarray(rank * numbers.length, (rank + 1) * numbers.length),
  ]);
}
