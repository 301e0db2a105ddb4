import { type FlatRange, lengthOf } from "./held-values.js";

/** What each rank holds of something, by rank. */
export type Holders = readonly (readonly FlatRange[])[];

/** Elements of the flat memory, and where a holder keeps them among its own. */
export interface Piece extends FlatRange {
  readonly rank: number;
  /** Elements before `begin` in what the rank holds. */
  readonly offset: number;
}

/** Every range with its rank and place there, in the order of ranks. */
export function holdings(holders: Holders): Piece[] {
  return holders.flatMap((ranges, rank) => {
    let offset = 0;
    return ranges.flatMap((range) => {
      const piece = { ...range, rank, offset };
      offset += range.end - range.begin;
      return range.begin < range.end ? [piece] : [];
    });
  });
}

/** How many elements each rank holds. */
export function lengthsOf(holders: Holders): number[] {
  return holders.map(lengthOf);
}

/** Where [begin, end) is to be had, in order: from the lowest rank that holds it, in as few pieces as may be. */
export function piecesOf({ begin, end }: FlatRange, all: readonly Piece[]): Piece[] {
  const overlapping = all.filter((piece) => piece.begin < end && piece.end > begin);
  const pieces: Piece[] = [];
  for (let at = begin; at < end; at = pieces.at(-1)?.end ?? end) {
    const found = overlapping.find((piece) => piece.begin <= at && at < piece.end);
    if (!found) throw new Error(`element ${at} of the parameters' memory is held by no rank`);
    pieces.push(cutOut(found, { begin: at, end: Math.min(end, found.end) }));
  }
  return pieces;
}

/** The parts of [begin, end) that `all` has. */
export function partsWithin({ begin, end }: FlatRange, all: readonly Piece[]): Piece[] {
  return all
    .filter((piece) => piece.begin < end && piece.end > begin)
    .map((piece) => cutOut(piece, { begin: Math.max(begin, piece.begin), end: Math.min(end, piece.end) }));
}

/** A part of what a rank held before, and the rank that takes it over. */
export interface Handover extends Piece {
  readonly to: number;
}

/**
 * Deals out what `before` held to `after`: of each element the k-th holder's value goes to holder k modulo their new
 * number, in the order of ranks, so that sums over ranks stay and the same layout gives everybody its own.
 */
export function handovers(before: Holders, after: Holders): Handover[] {
  const [old, next] = [holdings(before), holdings(after)];
  const cuts = [...new Set([...old, ...next].flatMap(({ begin, end }) => [begin, end]))].sort((a, b) => a - b);
  const [givers, takers] = [coverings(old, cuts), coverings(next, cuts)];
  return cuts.slice(0, -1).flatMap((begin, i) => {
    const range = { begin, end: cuts[i + 1] as number };
    const ranks = (takers[i] ?? []).map(({ rank }) => rank);
    const given = ranks.length === 0 ? [] : (givers[i] ?? []);
    return given.map((piece, k) => ({ ...cutOut(piece, range), to: ranks[k % ranks.length] as number }));
  });
}

/** For each cut the pieces that cover the memory up to the next one, in the order of ranks. */
function coverings(pieces: readonly Piece[], cuts: readonly number[]): Piece[][] {
  const waiting = [...pieces].sort((a, b) => b.begin - a.begin);
  let active: Piece[] = [];
  return cuts.map((cut) => {
    active = active.filter(({ end }) => end > cut);
    while (waiting.at(-1)?.begin === cut) active.push(waiting.pop() as Piece);
    active.sort((a, b) => a.rank - b.rank);
    return [...active];
  });
}

function cutOut(piece: Piece, { begin, end }: FlatRange): Piece {
  return { rank: piece.rank, begin, end, offset: piece.offset + begin - piece.begin };
}
