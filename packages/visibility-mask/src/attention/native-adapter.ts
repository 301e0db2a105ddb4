import type { VisibilityMask } from "../mask.js";
import type { AttentionJob, AttentionOps, BackwardJob, BackwardTensors, ForwardTensors } from "./job.js";
import type { FloatTensor } from "./options.js";

interface IntTensor {
  readonly dtype: "int32";
  readonly device: "cpu";
  readonly shape: readonly number[];
  readonly data: Int32Array;
}

interface NativeOptions {
  scale: number;
  start: IntTensor;
  limit: IntTensor;
  softcap: number;
  window: number;
  queryPositions?: IntTensor;
  keyPositions?: IntTensor;
  queryIndices?: IntTensor;
}

interface NativeBackwardOptions extends NativeOptions {
  zregCoefficients?: FloatTensor;
  zregTargets?: FloatTensor;
}

/** What is used of `@cai/native`, declared here so that the package needs neither it nor its types. */
export interface NativeAttention {
  attentionForward(...args: [...ForwardTensors, options: NativeOptions]): void;
  attentionBackward(...args: [...BackwardTensors, options: NativeBackwardOptions]): void;
}

/** The operations of `@cai/native`, which take a mask as tensors, as this package calls them. */
export function adaptNative(native: NativeAttention): AttentionOps {
  return {
    forward: (q, k, v, out, lse, job) => native.attentionForward(q, k, v, out, lse, optionsOf(job)),
    backward: (dout, q, k, v, out, lse, dq, dk, dv, job) =>
      native.attentionBackward(dout, q, k, v, out, lse, dq, dk, dv, backwardOptionsOf(job)),
  };
}

interface MaskTensors {
  readonly start: IntTensor;
  readonly limit: IntTensor;
  readonly positions: IntTensor | undefined;
}

/** Every layer of a step asks for those of one mask. */
const maskTensors = new WeakMap<VisibilityMask, MaskTensors>();

function tensorsOf(mask: VisibilityMask): MaskTensors {
  let found = maskTensors.get(mask);
  if (!found) {
    const shape = [mask.batchSize, mask.seqLen];
    const { positions } = mask;
    found = {
      start: ints(mask.start, shape),
      limit: ints(mask.limit, shape),
      positions: positions && ints(positions, shape),
    };
    maskTensors.set(mask, found);
  }
  return found;
}

function optionsOf({ dims: { B, T }, mask, queryIndices, window, scale, softcap }: AttentionJob): NativeOptions {
  const { start, limit, positions } = tensorsOf(mask);
  const options: NativeOptions = { scale, start, limit, softcap, window };
  if (queryIndices) options.queryIndices = ints(queryIndices, [B, T]);
  if (window > 0 && positions) {
    options.keyPositions = positions;
    options.queryPositions = queryIndices ? ints(queryPositions(mask, queryIndices, T), [B, T]) : positions;
  }
  return options;
}

function queryPositions(mask: VisibilityMask, indices: Int32Array, T: number): Int32Array {
  return indices.map((index, i) => mask.position(index, Math.floor(i / T)));
}

function backwardOptionsOf(job: BackwardJob): NativeBackwardOptions {
  const { zregCoefficients, zregTargets, dims } = job;
  const options: NativeBackwardOptions = optionsOf(job);
  if (zregCoefficients) options.zregCoefficients = floats(zregCoefficients, [dims.H]);
  if (zregTargets) options.zregTargets = floats(zregTargets, [dims.B, dims.T]);
  return options;
}

function ints(data: Int32Array, shape: readonly number[]): IntTensor {
  return { dtype: "int32", device: "cpu", shape, data };
}

function floats(data: Float32Array, shape: readonly number[]): FloatTensor {
  return { dtype: "float32", device: "cpu", shape, data };
}
