/**
 * Which corpus the next sequence comes from, so that after any n draws each corpus with share w was drawn
 * w · n times to within less than one.
 *
 * Among the corpora that are behind by at least 1/(2k - 2) of a draw, the one is taken that has to be drawn soonest:
 * Tijdeman's answer to the chairman assignment problem (1980), which keeps within 1 - 1/(2k - 2) for k corpora.
 *
 * @param shares positive, summing to one
 * @param drawn how often each was drawn so far
 */
export function nextCorpus(shares: readonly number[], drawn: readonly number[]): number {
  if (shares.length === 1) return 0;
  const draws = drawn.reduce((sum, count) => sum + count, 1);
  const slack = 1 / (2 * shares.length - 2);
  let best = -1;
  let bestDeadline = Infinity;
  shares.forEach((share, i) => {
    const behind = share * draws - (drawn[i] as number);
    const deadline = (1 - slack - behind) / share;
    // The rounding of share · draws must not leave nobody behind.
    if (behind >= slack - 1e-6 && deadline < bestDeadline) {
      best = i;
      bestDeadline = deadline;
    }
  });
  return best;
}
