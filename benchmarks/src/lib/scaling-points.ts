// The scaling model at the points that squinch-network has measured, and where nobody has measured.
import type { ExchangeReady } from "./exchange-protocol.js";
import { type ExchangeRow, linkRow, type NetworkRow, type StepRow, workMs } from "./network-rows.js";
import {
  type Cluster,
  type CodecCost,
  type Exchange,
  type Kind,
  type Network,
  predict,
  type Work,
} from "./scaling-model.js";

export interface Comparison {
  readonly what: string;
  readonly linkMbit: number;
  readonly predicted: number;
  readonly measured: number;
}

/** Of forward and backward together; the backward pass has twice the products. */
const forwardShare = 1 / 3;

/** One rank's work while the others do theirs, as the bench measured it. */
export function measuredWork(rows: readonly NetworkRow[], ready: ExchangeReady, kind: Kind): Work {
  const [one, two] = [workMs(rows, "step alone, 1 micro-batch"), workMs(rows, "step alone, 2 micro-batches")];
  const compute = (two - one) / 1e3;
  return {
    parameters: ready.parameters,
    forward: forwardShare * compute,
    backward: (1 - forwardShare) * compute,
    optimiser: Math.max(one / 1e3 - compute, 0),
    codec: codecCost(rows, ready, kind),
    exactCodec: codecCost(rows, ready, "float32"),
    bucket: ready.bucketValues,
    lastShare: ready.tiedShare,
  };
}

export function codecCost(rows: readonly NetworkRow[], { parameters }: ExchangeReady, kind: Kind): CodecCost {
  const seconds = (part: string) => workMs(rows, `${kind} ${part}`) / 1e3 / parameters;
  return { encode: seconds("encode"), decodeAdd: seconds("decodeAdd"), decode: seconds("decode") };
}

/** Every exchange and step that was measured, beside what the model says. */
export function comparisons(rows: readonly NetworkRow[], ready: ExchangeReady): Comparison[] {
  return rows.flatMap((row) => {
    if (row.measured === "exchange") return [compareExchange(rows, ready, row as ExchangeRow)];
    return row.measured === "step" ? [compareStep(rows, ready, row as StepRow)] : [];
  });
}

function compareExchange(rows: readonly NetworkRow[], ready: ExchangeReady, row: ExchangeRow): Comparison {
  const { exchange, linkMbit, timeMs } = row;
  const work = measuredWork(rows, ready, exchange);
  const { exchange: predicted } = predict(work, rigCluster(rows, linkMbit, 1), { kind: exchange });
  return { what: `exchange, ${exchange}`, linkMbit, predicted, measured: timeMs / 1e3 };
}

function compareStep(rows: readonly NetworkRow[], ready: ExchangeReady, row: StepRow): Comparison {
  const [kind, form] = row.exchange.split(", ") as [Kind, string | undefined];
  const exchange: Exchange = {
    kind,
    ...(form === "sharded" ? { mode: "sharded", parameterBytes: 2 } : {}),
    ...(form === "two levels" ? { levels: 2 } : {}),
  };
  const cluster = rigCluster(rows, row.linkMbit, row.layout === "2 x 2" ? 2 : 1);
  const { step: predicted } = predict(measuredWork(rows, ready, kind), cluster, exchange);
  const what = `step, ${row.exchange}, ${row.layout.replace(" x ", " × ")}`;
  return { what, linkMbit: row.linkMbit, predicted, measured: row.timeMs / 1e3 };
}

/** Four ranks, of which those of one host share its link. */
function rigCluster(rows: readonly NetworkRow[], linkMbit: number, ranksPerGroup: number): Cluster {
  const [outside, inside] = [networkOf(rows, linkMbit), networkOf(rows, null)];
  const shared = { ...outside, bytesPerSecond: outside.bytesPerSecond / ranksPerGroup };
  return { ranks: 4, outside: shared, ...(ranksPerGroup > 1 ? { ranksPerGroup, inside } : {}) };
}

function networkOf(rows: readonly NetworkRow[], linkMbit: number | null): Network {
  const { payloadMbit, smallMs } = linkRow(rows, linkMbit);
  return { bytesPerSecond: (payloadMbit * 1e6) / 8, latency: smallMs / 1e3, secondsPerMessage: 0 };
}
