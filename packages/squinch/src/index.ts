export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export { type Backend, backend } from "./backend.js";
export { blockMaxima, type Codebook, type CodebookName, codebook, inverseMaxima } from "./codebook.js";
export { type DecodeOptions, decode } from "./decode.js";
export { type EncodeOptions, type EncodeResult, encode, encodeInto, type GradientInput } from "./encode.js";
export { blockBytes, blockLength, encodedLength, formatVersion, gainBytes, type LengthOptions } from "./format.js";
export {
  choosePolicy,
  type PolicyOptions,
  type TensorMeasurement,
  type TensorPolicy,
} from "./quality/choose-policy.js";
export { compareDecoded, type MeasureOptions, measureQuality, type QualityOptions } from "./quality/measure-quality.js";
export type { Quality } from "./quality/quality-sums.js";
export { type AllReduceOptions, type AllReduceResult, createResidual, squinchAllReduce } from "./reduce/all-reduce.js";
export type { EncodeContext, GradientCodec } from "./reduce/codec.js";
export type { ReduceCommunicator, ReducePending } from "./reduce/communicator.js";
export type { ResidualPair } from "./reduce/encoder.js";
export { Gather } from "./reduce/gather.js";
export { bf16Codec, float32Codec } from "./reduce/plain-codecs.js";
export { Reduction } from "./reduce/reduction.js";
export { ReductionQueue } from "./reduce/reduction-queue.js";
export { Scatter } from "./reduce/scatter.js";
export { type Residual, type ShardLayout, shardLayout, shardLength } from "./reduce/shards.js";
export { type SquinchCodecOptions, squinchCodec } from "./reduce/squinch-codec.js";
export { newScratch, type Scratch, type StageOptions, scratchBytes } from "./reduce/stage.js";
