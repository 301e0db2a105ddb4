/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which a share `q` of the values lies, by linear interpolation. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError("quantile: expected at least one value, got none");
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const below = sorted[Math.floor(position)] as number;
  const above = sorted[Math.ceil(position)] as number;
  return below + (position - Math.floor(position)) * (above - below);
}

/**
 * Calls the contestants in turn, `rounds` times over, so that a drift of the machine meets all of them alike. The order
 * is turned round every other round, since whoever follows a hot contestant starts with a warm machine.
 *
 * @returns what each contestant returned, round by round.
 */
export async function interleave<Name extends string, Result>(
  contestants: Readonly<Record<Name, () => Promise<Result> | Result>>,
  rounds: number,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(contestants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Result[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) results[name].push(await contestants[name]());
  }
  return results;
}

/** The milliseconds of each of `calls` calls. */
export function sample(run: () => void, calls: number): number[] {
  return Array.from({ length: calls }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
}
