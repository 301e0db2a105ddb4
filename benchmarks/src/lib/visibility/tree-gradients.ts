export function compareTrees(_trees: number) {
  return { rows: [], maxRelDiff: 0 };
}
