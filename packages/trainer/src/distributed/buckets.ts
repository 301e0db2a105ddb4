import type { ParameterGroup } from "../model/parameter-store.js";
import type { FlatRange } from "./held-values.js";

// Cuts inside a tensor keep to whole blocks of the codecs.
const multiple = 8;

/**
 * Cuts the flat gradient into buckets of about `bucketLength` values, last part of memory first: since memory follows the
 * forward pass, that is about the order in which backward finishes them. Groups of small tensors share a bucket where
 * they follow each other, are of one kind and are alike in decay (norms and biases of all layers lie together and would
 * hold up a matrix's bucket); a large group is cut into equal buckets.
 *
 * @param kindOf groups of different kinds travel apart.
 */
export function planBuckets(
  groups: readonly ParameterGroup[],
  bucketLength: number,
  kindOf: (group: ParameterGroup) => string = () => "any",
): FlatRange[] {
  const buckets: { begin: number; end: number; kind: string; decay: boolean }[] = [];
  for (const group of [...groups].reverse()) {
    const { begin, end, decay } = group;
    const kind = kindOf(group);
    const last = buckets.at(-1);
    const fits = last && last.end - begin <= bucketLength;
    if (fits && last.kind === kind && last.decay === decay) last.begin = begin;
    else buckets.push({ begin, end, kind, decay });
  }
  return buckets.flatMap(({ begin, end }) => cut(begin, end, bucketLength));
}

function cut(begin: number, end: number, bucketLength: number): FlatRange[] {
  const pieces = Math.ceil((end - begin) / Math.max(bucketLength, multiple));
  const length = multiple * Math.ceil((end - begin) / pieces / multiple);
  const ranges = Array.from({ length: pieces }, (_, i) => ({
    begin: begin + i * length,
    end: Math.min(begin + (i + 1) * length, end),
  }));
  return ranges.filter((range) => range.begin < range.end).reverse();
}
