// What the squinch-network bench writes down: four tables, told apart by `measured`.
import type { Cell } from "./bench.js";
import type { CodecName, StepSetting } from "./exchange-protocol.js";

/** One rank's own work while all others do theirs: medians, over a whole gradient. */
export interface WorkRow {
  readonly measured: "work";
  readonly work: string;
  readonly timeMs: number;
}

/** The link as an all-to-all of plain bytes finds it. */
export interface LinkRow {
  readonly measured: "link";
  /** Null for ranks that share a host's memory. */
  readonly linkMbit: number | null;
  /** What each rank sent and took, in payload. */
  readonly payloadMbit: number;
  /** An all-to-all of a few bytes. */
  readonly smallMs: number;
}

interface Timed {
  readonly linkMbit: number;
  readonly timeMs: number;
  readonly timeMs10: number;
  readonly timeMs90: number;
  /** What each rank gave to others, by its own count. */
  readonly bytesSent: number;
  /** What the kernel counted on a host's link meanwhile, over the ranks of that host, with all headers. */
  readonly linkBytes: number;
  readonly rounds: number;
}

/** The exchange of a whole gradient by itself, both phases. */
export interface ExchangeRow extends Timed {
  readonly measured: "exchange";
  readonly exchange: CodecName;
}

/** A training step, the exchange overlapped with its backward pass. */
export interface StepRow extends Timed {
  readonly measured: "step";
  /** Hosts by ranks on each. */
  readonly layout: Layout;
  readonly exchange: StepSetting;
  /** What a rank waited for the exchange. */
  readonly exposedMs: number;
  /** Updated parameters that it gave, beside the gradients' bytes. */
  readonly parameterBytes: number;
}

export type Layout = "4 x 1" | "2 x 2";
// Intersections, so that the rows are also the bench's untyped ones.
export type NetworkRow = (WorkRow | LinkRow | ExchangeRow | StepRow) & Readonly<Record<string, Cell>>;

export function summarise(rows: readonly NetworkRow[]): Record<string, number> {
  const exchange = (name: CodecName, mbit: number) => timeOf(rows, "exchange", name, mbit);
  const step = (name: StepSetting, mbit: number, layout: Layout = "4 x 1") => timeOf(rows, "step", name, mbit, layout);
  return {
    exchangeTimeRatioToBf16At250Mbit: exchange("squinch", 250) / exchange("bf16", 250),
    exchangeTimeRatioToBf16At1000Mbit: exchange("squinch", 1000) / exchange("bf16", 1000),
    // Against bf16 whose encoding and decoding cost nothing: its bytes over the rate that the link was found to have.
    exchangeTimeRatioToBf16BytesAt250Mbit: exchange("squinch", 250) / wireMs(rows, "bf16", 250),
    exchangeTimeRatioToFloat32At250Mbit: exchange("squinch", 250) / exchange("float32", 250),
    stepTimeRatioToBf16At250Mbit: step("squinch", 250) / step("bf16", 250),
    stepTimeRatioToBf16At1000Mbit: step("squinch", 1000) / step("bf16", 1000),
    shardedStepTimeRatioToBf16At250Mbit: step("squinch, sharded", 250) / step("bf16, sharded", 250),
    twoLevelStepTimeRatioToFlatAt250Mbit: step("squinch, two levels", 250, "2 x 2") / step("squinch", 250, "2 x 2"),
    // What is said of a quarter of the bandwidth.
    exchangeTimeRatioAt250MbitToBf16At1000Mbit: exchange("squinch", 250) / exchange("bf16", 1000),
    stepTimeRatioAt250MbitToBf16At1000Mbit: step("squinch", 250) / step("bf16", 1000),
    linkBytesRatioToBf16At250Mbit: linkBytes(rows, "squinch", 250) / linkBytes(rows, "bf16", 250),
  };
}

export function linkRow(rows: readonly NetworkRow[], linkMbit: number | null): LinkRow {
  return found(rows.find((row) => row.measured === "link" && row.linkMbit === linkMbit) as LinkRow | undefined);
}

export function workMs(rows: readonly NetworkRow[], work: string): number {
  return found(rows.find((row) => row.measured === "work" && row.work === work) as WorkRow | undefined).timeMs;
}

function timedRow(rows: readonly NetworkRow[], measured: string, name: string, linkMbit: number, layout?: Layout) {
  const row = rows.find(
    (one) => one.measured === measured && one.exchange === name && one.linkMbit === linkMbit && one.layout === layout,
  );
  return found(row as (ExchangeRow | StepRow) | undefined);
}

function timeOf(rows: readonly NetworkRow[], measured: string, name: string, linkMbit: number, layout?: Layout) {
  return timedRow(rows, measured, name, linkMbit, layout).timeMs;
}

function wireMs(rows: readonly NetworkRow[], name: CodecName, linkMbit: number): number {
  const { bytesSent } = timedRow(rows, "exchange", name, linkMbit);
  return (8e-3 * bytesSent) / linkRow(rows, linkMbit).payloadMbit;
}

function linkBytes(rows: readonly NetworkRow[], name: CodecName, linkMbit: number): number {
  return timedRow(rows, "exchange", name, linkMbit).linkBytes;
}

function found<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new RangeError("squinch-network: expected a row that was measured, got none");
  return row;
}
