/** What a training program under measure is asked, one line each; our child and torch_gpt.py speak it alike. */
export interface StepRequest {
  readonly steps: number;
}

export interface StepReply {
  /** Forward, backward and update of each step; making up its batch is not in it. */
  readonly stepTimesMs: readonly number[];
  readonly losses: readonly number[];
  /** The process's peak resident memory so far. */
  readonly peakMemoryBytes: number;
}
