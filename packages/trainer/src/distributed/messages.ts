import type { Communicator } from "@cai/native";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Every rank's `value` in the order of ranks, the same on all of them. A value is plain JSON of any size. */
export async function gatherJson<T>(comm: Communicator, value: T): Promise<T[]> {
  if (comm.size === 1) return [value];
  const bytes = encoder.encode(JSON.stringify(value));
  const lengths = await gatherLengths(comm, bytes.length);
  const longest = Math.max(...lengths);
  const padded = new Uint8Array(longest);
  padded.set(bytes);
  const all = new Uint8Array(longest * comm.size);
  await comm.allGather(padded, all);
  return lengths.map((length, rank) => {
    const start = rank * longest;
    return JSON.parse(decoder.decode(all.subarray(start, start + length))) as T;
  });
}

async function gatherLengths(comm: Communicator, length: number): Promise<number[]> {
  const lengths = new Float64Array(comm.size);
  await comm.allGather(new Uint8Array(Float64Array.of(length).buffer), new Uint8Array(lengths.buffer));
  return [...lengths];
}

/** Rank 0's `value` on every rank; what the others give is not looked at. */
export async function broadcastJson<T>(comm: Communicator, value: T): Promise<T> {
  if (comm.size === 1) return value;
  const bytes = encoder.encode(JSON.stringify(value));
  const length = Float64Array.of(bytes.length);
  await comm.broadcast(new Uint8Array(length.buffer), 0);
  const buffer = comm.rank === 0 ? bytes : new Uint8Array(length[0] as number);
  await comm.broadcast(buffer, 0);
  return JSON.parse(decoder.decode(buffer)) as T;
}
