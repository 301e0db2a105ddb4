import { floatTensor } from "@cai/native";
import type { BeamSearchOptions, Hypothesis } from "@cai/trainer";
import { Decoder, searchBeams, type Transformer } from "@cai/trainer/parts";
import { VisibilityMask } from "@cai/visibility-mask";

/**
 * The peer of the packed batch: the same search, each beam with a cache of its own and a forward pass of one row. The
 * prompt is read once and its rows copied to every cache; the first to continue a hypothesis keeps its cache, the others
 * copy what lies behind the prompt.
 */
export function oneByOneBeams(model: Transformer, prompt: Int32Array, options: BeamSearchOptions): Hypothesis[] {
  const { beams, maxTokens } = options;
  const { vocabSize } = model.config;
  const mask = VisibilityMask.causal(prompt.length + maxTokens);
  const first = new Decoder(model, mask);
  const others = Array.from({ length: beams - 1 }, () => new Decoder(model, mask, first.arena));
  const rows = new Float32Array(beams * vocabSize);
  const promptLogits = first.readPrompt(prompt).data.slice();
  for (const { cache } of others) cache.copy(0, 0, prompt.length, first.cache);
  let owners = [first];
  let used = 0;
  const next = (parents: Int32Array, tokens: Int32Array) => {
    owners = continued(owners, parents, [first, ...others], (from, to) =>
      to.cache.copy(prompt.length, prompt.length, used, from.cache),
    );
    const slot = Int32Array.of(prompt.length + used++);
    owners.forEach((decoder, beam) => {
      rows.set(decoder.read(tokens.subarray(beam, beam + 1), slot).data, beam * vocabSize);
    });
    return floatTensor(rows, [owners.length, vocabSize]);
  };
  return searchBeams(floatTensor(promptLogits, [1, vocabSize]), next, options);
}

/** Who goes on with which hypothesis. */
function continued(
  owners: readonly Decoder[],
  parents: Int32Array,
  decoders: readonly Decoder[],
  copy: (from: Decoder, to: Decoder) => void,
): Decoder[] {
  const parentsOf = [...parents].map((parent) => owners[parent] as Decoder);
  const free = decoders.filter((decoder) => !parentsOf.includes(decoder));
  return parentsOf.map((decoder, i) => {
    if (parentsOf.indexOf(decoder) === i) return decoder;
    const other = free.pop() as Decoder;
    copy(decoder, other);
    return other;
  });
}
