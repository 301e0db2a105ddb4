import type { Communicator } from "@cai/native";
import type { StreamedTensor } from "../checkpoint/index.js";
import { chunkBytes } from "../checkpoint/synced-file.js";
import type { FlatRange, HeldValues } from "./held-values.js";
import { gatherJson } from "./messages.js";
import { type Holders, lengthsOf, type Piece, piecesOf } from "./placement.js";
import type { Leader, Offer } from "./rank-zero.js";

/** Training state of which a rank may hold only a part. The arrays are the trainer's own memory. */
export interface HeldState {
  readonly firstMoments: HeldValues;
  readonly secondMoments: HeldValues;
  /** The parameters that are stepped, where others are only their rounded copies. */
  readonly masters?: HeldValues | undefined;
  /** What this rank's encodings have lost so far, under error feedback. */
  readonly local?: HeldValues | undefined;
  /** What the encodings of the sums that this rank owns have lost so far. */
  readonly shard?: HeldValues | undefined;
}

export type HeldName = keyof HeldState;
const heldNames = ["firstMoments", "secondMoments", "masters", "local", "shard"] as const satisfies HeldName[];

/** Who holds what; ranks that hold none of something have no ranges. */
export type HolderTable = Readonly<Record<HeldName, Holders>>;

/** What each rank holds, the same table on every rank. */
export async function gatherHolders(comm: Communicator, held: HeldState): Promise<HolderTable> {
  const own = heldNames.map((name) => held[name]?.ranges ?? []);
  const all = await gatherJson(comm, own);
  const byRank = (name: HeldName) => all.map((rank) => rank[heldNames.indexOf(name)] ?? []);
  return {
    firstMoments: byRank("firstMoments"),
    secondMoments: byRank("secondMoments"),
    masters: byRank("masters"),
    local: byRank("local"),
    shard: byRank("shard"),
  };
}

/** What this rank gives when the first asks for it. */
export function offerOf(held: HeldState): Offer {
  return (item) => {
    const { buffer, byteOffset, byteLength } = (held[heldNames[item] as HeldName] as HeldValues).values;
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
}

/** A tensor that lies in `range` of the flat memory, put together from the ranks that hold its parts. */
export function streamedRange(
  leader: Leader,
  name: HeldName,
  holdings: readonly Piece[],
  { range, shape }: { range: FlatRange; shape: readonly number[] },
): StreamedTensor {
  return { dtype: "float32", shape, chunks: () => chunksOf(leader, name, piecesOf(range, holdings)) };
}

/** All that one rank holds, as one flat tensor for each rank that holds something: `<name>.<rank>`. */
export function streamedByRank(leader: Leader, name: HeldName, holders: Holders): [string, StreamedTensor][] {
  return lengthsOf(holders).flatMap((length, rank) => {
    const whole = { rank, begin: 0, end: length, offset: 0 };
    const tensor = { dtype: "float32", shape: [length], chunks: () => chunksOf(leader, name, [whole]) } as const;
    return length === 0 ? [] : [[`${name}.${rank}`, tensor]];
  });
}

async function* chunksOf(leader: Leader, name: HeldName, pieces: readonly Piece[]): AsyncGenerator<Uint8Array> {
  const item = heldNames.indexOf(name);
  for (const { rank, begin, end, offset } of pieces) {
    const [first, last] = [4 * offset, 4 * (offset + end - begin)];
    for (let at = first; at < last; at += chunkBytes) {
      yield await leader.fetch(rank, item, at, Math.min(last, at + chunkBytes));
    }
  }
}
