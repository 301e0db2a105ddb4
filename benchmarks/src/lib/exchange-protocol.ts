/** How gradients travel in a step of the squinch-network bench; the names of its rows. */
export const stepSettings = {
  float32: { exchange: "float32" },
  bf16: { exchange: "bf16" },
  squinch: { exchange: "squinch" },
  "bf16, sharded": { exchange: "bf16", mode: "sharded", parameterType: "bf16" },
  "squinch, sharded": { exchange: "squinch", mode: "sharded", parameterType: "bf16" },
  "squinch, two levels": { exchange: "squinch", levels: 2 },
} as const;

export type StepSetting = keyof typeof stepSettings;
export type CodecName = "float32" | "bf16" | "squinch";

/** What all ranks are asked to do together. */
export type ExchangeRequest =
  /** All-to-alls of `bytes` that each rank holds. */
  | { readonly kind: "raw"; readonly bytes: number; readonly rounds: number }
  /** Exchanges of a whole gradient by themselves. */
  | { readonly kind: "exchange"; readonly codec: CodecName; readonly rounds: number }
  /** Encoding and decoding one bucket, nothing sent. */
  | { readonly kind: "codec"; readonly codec: CodecName; readonly rounds: number }
  /** Training steps of every rank by itself. */
  | { readonly kind: "alone"; readonly microBatches: number; readonly steps: number }
  /** Training steps of all ranks together. */
  | { readonly kind: "step"; readonly setting: StepSetting; readonly steps: number }
  /** Nothing, but the processor time so far. */
  | { readonly kind: "rest" };

export interface ExchangeReply {
  /** One a round or step: the slowest rank's, from a common start. */
  readonly timesMs: readonly number[];
  /** Of all ranks since they were started. */
  readonly cpuSeconds?: number;
  /** One a step: the mean over ranks of the time that a rank waited for the exchange. */
  readonly exposedMs?: readonly number[];
  /** Given to other ranks by each, a round or step: the mean over ranks. */
  readonly bytesSent?: number;
  readonly parameterBytesSent?: number;
  /** Nanoseconds a value: medians, the mean over ranks. */
  readonly codecNs?: { readonly encode: number; readonly decodeAdd: number; readonly decode: number };
}

export interface ExchangeReady {
  readonly ranks: number;
  readonly parameters: number;
  /** Values in a bucket, and their number. */
  readonly bucketValues: number;
  readonly buckets: number;
  /** The share of parameters in the embedding that is also the head. */
  readonly tiedShare: number;
  /** What encodes and decodes Squinch. */
  readonly squinchBackend: string;
}
