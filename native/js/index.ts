export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export { Philox, type PhiloxWords, philox4x32 } from "@cai/portable/philox";
export type { BackendWish } from "./backend.js";
export type { Communicator, Payload, Pending } from "./communicator.js";
export { launchedBy, type MpiFamily } from "./communicator-launch.js";
export { type MpiInfo, mpiInfo, type OpenMpiOptions, openMpi } from "./communicator-mpi.js";
export { singleProcess } from "./communicator-single.js";
export { type ActivationKind, activationBackward, activationForward } from "./ops/activation.js";
export { type AdamwOptions, adamwStep } from "./ops/adamw.js";
export {
  type AttentionBackwardOptions,
  type AttentionOptions,
  attentionBackward,
  attentionForward,
} from "./ops/attention.js";
export { type Bf16ToFloat32Options, bf16Round, bf16ToFloat32, float32ToBf16 } from "./ops/bf16.js";
export { crossEntropyBackward, crossEntropyForward } from "./ops/cross-entropy.js";
export { embeddingBackward, embeddingForward } from "./ops/embedding.js";
export { layerNormBackward, layerNormForward } from "./ops/layer-norm.js";
export { biasBackward, type MatmulOptions, matmul } from "./ops/matmul.js";
export { type RandomStream, randomNormal, randomUniform } from "./ops/random.js";
export { rmsNormBackward, rmsNormForward } from "./ops/rms-norm.js";
export { rotary } from "./ops/rotary.js";
export { siluGatedBackward, siluGatedForward } from "./ops/silu-gated.js";
export { softcapBackward, softcapForward } from "./ops/softcap.js";
export {
  type SquinchCounts,
  type SquinchDecodeOptions,
  type SquinchEncodeOptions,
  type SquinchTables,
  squinchDecode,
  squinchEncode,
} from "./ops/squinch.js";
export { sumOfSquares } from "./ops/sum-of-squares.js";
export { allocateAligned, type BackendAttempt, type BackendInfo, backendInfo, setThreads, threads } from "./runtime.js";
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
