export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export type { GradientInput } from "./arguments.js";
export { type Backend, backend } from "./backend.js";
export { blockMaxima, type Codebook, type CodebookName, codebook, inverseMaxima } from "./codebook.js";
export { type DecodeOptions, decode } from "./decode.js";
export { type EncodeOptions, type EncodeResult, encode, encodeInto } from "./encode.js";
export { blockBytes, blockLength, encodedLength, formatVersion, gainBytes, type LengthOptions } from "./format.js";
export {
  choosePolicy,
  type PolicyOptions,
  type TensorMeasurement,
  type TensorPolicy,
} from "./quality/choose-policy.js";
export { compareDecoded, type MeasureOptions, measureQuality, type QualityOptions } from "./quality/measure-quality.js";
export type { Quality } from "./quality/quality-sums.js";
