export { CaiError, type CaiErrorCode, isCaiError } from "./error.js";
export { type ActivationKind, activationBackward, activationForward } from "./ops/activation.js";
export { crossEntropyBackward, crossEntropyForward } from "./ops/cross-entropy.js";
export { embeddingBackward, embeddingForward } from "./ops/embedding.js";
export { layerNormBackward, layerNormForward } from "./ops/layer-norm.js";
export { biasBackward, type MatmulOptions, matmul } from "./ops/matmul.js";
export { rmsNormBackward, rmsNormForward } from "./ops/rms-norm.js";
export { rotary } from "./ops/rotary.js";
export { siluGatedBackward, siluGatedForward } from "./ops/silu-gated.js";
export { allocateAligned, type BackendInfo, backendInfo, setThreads, threads } from "./runtime.js";
export {
  bytesPerElement,
  type Device,
  type DType,
  type FloatTensor,
  floatTensor,
  type IntTensor,
  intTensor,
  sizeOf,
  type Tensor,
  type TensorData,
  tensorAt,
  tensorOver,
  zeros,
} from "./tensor.js";
