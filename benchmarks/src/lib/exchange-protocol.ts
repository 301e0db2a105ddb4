export type ExchangeRequest = { readonly kind: "raw"; readonly bytes: number; readonly rounds: number };
export interface ExchangeReply {
  readonly timesMs: number[];
}
