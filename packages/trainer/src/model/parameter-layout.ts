import type { ModelConfig } from "./model-config.js";
import { modelNames } from "./names.js";
import type { ParameterSpec } from "./parameter-store.js";

type Init = ParameterSpec["init"];
type Size = { readonly names: { weight: string; bias: string }; readonly outSize: number };

/**
 * Every tensor of the model, in the order of memory.
 *
 * Matrices start normal with `initStd`, those that write into the residual stream with initStd / sqrt(2 · numLayers) (as
 * GPT-2: the stream's variance stays independent of depth); gains start at one, biases at zero. Matrices decay.
 */
export function parameterLayout(config: ModelConfig): ParameterSpec[] {
  const { hiddenSize, numHeads, numKvHeads, headDim, vocabSize } = config;
  const names = modelNames(config);
  const normal: Init = { normal: config.initStd };
  const residual: Init = { normal: config.initStd / Math.sqrt(2 * config.numLayers) };

  const norm = (target: { weight: string; bias: string }): ParameterSpec[] => [
    constant(target.weight, hiddenSize, 1),
    ...(config.norm === "layernorm" ? [constant(target.bias, hiddenSize, 0)] : []),
  ];
  const linear = (targets: readonly Size[], inSize: number, init: Init): ParameterSpec[] => [
    ...targets.map(({ names: { weight }, outSize }, i) => ({
      name: weight,
      shape: config.family === "gpt2" ? [inSize, outSize] : [outSize, inSize],
      init,
      decay: true,
      joinsPrevious: i > 0,
    })),
    ...(config.bias ? targets.map(({ names: { bias }, outSize }, i) => constant(bias, outSize, 0, i > 0)) : []),
  ];

  const specs: ParameterSpec[] = [matrix(names.embedding, [vocabSize, hiddenSize], normal)];
  if (config.positions === "learned") specs.push(matrix(names.positions, [config.maxSeqLen, hiddenSize], normal));
  for (let index = 0; index < config.numLayers; index++) {
    const layer = names.layer(index);
    const heads = [numHeads, numKvHeads, numKvHeads].map((count) => count * headDim);
    const headSizes = layer.qkv.length === 1 ? [heads.reduce((sum, size) => sum + size, 0)] : heads;
    specs.push(
      ...norm(layer.attentionNorm),
      ...linear(sizes(layer.qkv, headSizes), hiddenSize, normal),
      ...(config.qkNorm ? [constant(layer.queryNorm, headDim, 1), constant(layer.keyNorm, headDim, 1)] : []),
      ...linear(sizes([layer.attentionOut], [hiddenSize]), numHeads * headDim, residual),
      ...norm(layer.feedForwardNorm),
      ...linear(
        sizes(
          layer.feedForwardIn,
          layer.feedForwardIn.map(() => config.intermediateSize),
        ),
        hiddenSize,
        normal,
      ),
      ...linear(sizes([layer.feedForwardOut], [hiddenSize]), config.intermediateSize, residual),
    );
  }
  specs.push(...norm(names.finalNorm));
  if (!config.tieEmbeddings) specs.push(matrix(names.head, [vocabSize, hiddenSize], normal));
  return specs;
}

function sizes(names: readonly { weight: string; bias: string }[], outSizes: readonly number[]): Size[] {
  return names.map((pair, i) => ({ names: pair, outSize: outSizes[i] as number }));
}

function matrix(name: string, shape: readonly number[], init: Init): ParameterSpec {
  return { name, shape, init, decay: true };
}

function constant(name: string, size: number, value: number, joinsPrevious = false): ParameterSpec {
  return { name, shape: [size], init: { constant: value }, decay: false, joinsPrevious };
}
