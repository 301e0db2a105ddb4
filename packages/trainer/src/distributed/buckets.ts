import type { GradientCodec } from "@cai/squinch";
import type { ParameterGroup } from "../model/parameter-store.js";
import type { FlatRange } from "./held-values.js";

/** A part of the flat gradient that is exchanged by itself. */
export interface Bucket extends FlatRange {
  readonly codec: GradientCodec;
}

// Cuts inside a tensor keep to whole blocks of the codecs.
const multiple = 8;

/**
 * Cuts the flat gradient into buckets of about `bucketLength` values, last part of memory first: since memory follows the
 * forward pass, that is about the order in which backward finishes them. Groups of small tensors share a bucket where
 * they follow each other, travel by the same codec and are alike in decay (norms and biases of all layers lie together and
 * would hold up a matrix's bucket); a large group is cut into equal buckets.
 */
export function planBuckets(
  groups: readonly ParameterGroup[],
  bucketLength: number,
  codecOf: (name: string) => GradientCodec,
): Bucket[] {
  const buckets: { begin: number; end: number; codec: GradientCodec; decay: boolean }[] = [];
  for (const { begin, end, decay, names } of [...groups].reverse()) {
    const codec = codecOf(names[0] as string);
    const last = buckets.at(-1);
    const fits = last && last.end - begin <= bucketLength;
    if (fits && last.codec === codec && last.decay === decay) last.begin = begin;
    else buckets.push({ begin, end, codec, decay });
  }
  return buckets.flatMap(({ begin, end, codec }) =>
    cut(begin, end, bucketLength).map((range) => ({ ...range, codec })),
  );
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
