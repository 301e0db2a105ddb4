import type { MicroBatch } from "@cai/trainer";
import type { ParameterStore } from "@cai/trainer/parts";
import type { Routing } from "../mixture/routing.js";

/** Values of the flat gradient: [begin, end). */
export type Range = readonly [begin: number, end: number];

/** Some values of a step's gradient that are looked at together. */
export interface GradientPart {
  readonly name: string;
  readonly ranges: readonly Range[];
}

/** Where a tensor lies in the store's flat arrays. */
export function rangeOf(store: ParameterStore, name: string): Range {
  const { data } = store.get(name).value;
  const begin = (data.byteOffset - store.values.data.byteOffset) / data.BYTES_PER_ELEMENT;
  return [begin, begin + data.length];
}

/**
 * The rows of an embedding that a step looked up, apart by how many ranks did: one, and all of them. Rows that nobody
 * looked up are exactly zero and travel as such.
 */
export function embeddingParts(
  store: ParameterStore,
  name: string,
  batches: readonly Pick<MicroBatch, "tokens">[],
): GradientPart[] {
  const { shape } = store.get(name).value;
  const [rows = 0, width = 0] = shape;
  const [begin] = rangeOf(store, name);
  const ranksOf = new Array<number>(rows).fill(0);
  for (const { tokens } of batches) {
    for (const token of new Set(tokens)) ranksOf[token] = (ranksOf[token] as number) + 1;
  }
  const rowsOf = (ranks: number) =>
    ranksOf.flatMap((count, row): Range[] =>
      count === ranks ? [[begin + row * width, begin + (row + 1) * width]] : [],
    );
  return [
    { name: "embedding rows that one rank looked up", ranges: rowsOf(1) },
    { name: "embedding rows that all ranks looked up", ranges: rowsOf(batches.length) },
  ];
}

/** How many rows of a step each expert of each layer got, all ranks together. */
export class ExpertCounts {
  readonly #counts: number[][] = [];

  /** For MixtureModel.onRouting. */
  readonly add = (layer: number, { first }: Routing): void => {
    const before = this.#counts[layer] ?? [];
    this.#counts[layer] = first.slice(1).map((end, e) => (before[e] ?? 0) + end - (first[e] as number));
  };

  reset(): void {
    this.#counts.length = 0;
  }

  /**
   * The quarter of a layer's experts that got the fewest rows, and the quarter that got the most, of those that got any:
   * the gradients of the others are exactly zero.
   */
  quarters(layer: number): { rare: number[]; frequent: number[] } {
    const counts = this.#counts[layer] ?? [];
    const used = counts.map((count, e) => ({ count, e })).filter(({ count }) => count > 0);
    const sorted = used.sort((a, b) => a.count - b.count).map(({ e }) => e);
    const quarter = Math.max(1, Math.floor(sorted.length / 4));
    return { rare: sorted.slice(0, quarter), frequent: sorted.slice(-quarter) };
  }

  /** Shares of the rows, layer by layer. */
  shares(): number[][] {
    return this.#counts.map((counts) => {
      const total = counts.reduce((sum, count) => sum + count, 0);
      return counts.map((count) => count / total);
    });
  }
}

/** The parts of a mixture's gradient: experts by how often they were chosen, routers, and attention beside them. */
export function mixtureParts(store: ParameterStore, layers: number, counts: ExpertCounts): GradientPart[] {
  const perLayer = Array.from({ length: layers }, (_, layer) => layer);
  const whole = (name: string) => perLayer.map((layer) => rangeOf(store, `${layer}.${name}`));
  const experts = (name: string, which: "rare" | "frequent") =>
    perLayer.flatMap((layer) => {
      const [begin, end] = rangeOf(store, `${layer}.${name}`);
      const size = (end - begin) / (store.get(`${layer}.${name}`).value.shape[0] as number);
      return counts.quarters(layer)[which].map((e): Range => [begin + e * size, begin + (e + 1) * size]);
    });
  const both = (which: "rare" | "frequent") => [...experts("experts_up", which), ...experts("experts_down", which)];
  return [
    { name: "experts, the least chosen quarter", ranges: both("rare") },
    { name: "their first matrices", ranges: experts("experts_up", "rare") },
    { name: "their second matrices", ranges: experts("experts_down", "rare") },
    { name: "experts, the most chosen quarter", ranges: both("frequent") },
    { name: "routers", ranges: whole("router") },
    { name: "attention", ranges: [...whole("qkv"), ...whole("attention_out")] },
  ];
}
