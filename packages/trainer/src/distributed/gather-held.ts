import type { Communicator } from "@cai/native";
import { type FlatRange, lengthOf, spreadOut } from "./held-values.js";

/**
 * Puts together what every rank holds a part of. Every rank must call it; blocks.
 *
 * @param rangesOf the ranges that a rank holds. @param values this rank's. @param flat receives all of them.
 */
export function gatherHeld(
  communicator: Communicator,
  rangesOf: (rank: number) => readonly FlatRange[],
  values: Float32Array,
  flat: Float32Array,
): void {
  const { size } = communicator;
  const ranges = Array.from({ length: size }, (_, rank) => rangesOf(rank));
  const longest = Math.max(...ranges.map(lengthOf));
  const send = new Float32Array(longest);
  send.set(values);
  const receive = new Float32Array(longest * size);
  communicator.allGather(send, receive).wait();
  ranges.forEach((own, rank) => {
    spreadOut({ ranges: own, values: receive.subarray(rank * longest, (rank + 1) * longest) }, flat);
  });
}
