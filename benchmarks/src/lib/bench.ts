/** How long and how much: `quick` takes under 50 seconds and only proves the path. */
export interface BenchOptions {
  readonly quick: boolean;
}

export type Cell = string | number | boolean | null;

/** What a bench found. Nothing in it is asserted, capped or rounded. */
export interface BenchResult {
  /** One measurement each, with the same keys; printed as a table and kept in the file. */
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** The figures that the bench is judged by. */
  readonly summary: Readonly<Record<string, Cell>>;
  /** Versions and settings of whom it was measured against. */
  readonly peers: Readonly<Record<string, unknown>>;
  /** Processor time of the bench's programs that are no children of this process, such as a launcher's. Default 0. */
  readonly detachedCpuSeconds?: number;
}

export type Bench = (options: BenchOptions) => Promise<BenchResult>;
