export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export type { EncodeContext, GradientCodec } from "./reduce/codec.js";
export type { ReduceCommunicator, ReducePending } from "./reduce/communicator.js";
