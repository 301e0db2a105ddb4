// How many bytes do masks and statistics of attention take, beside a dense mask?
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./lib/bench.js";
import { lineChart } from "./lib/line-chart.js";
import { LinePeer } from "./lib/line-peer.js";
import { childProgram, repositoryRoot } from "./lib/paths.js";
import { median } from "./lib/statistics.js";
import { heads, type MemoryReply, type MemoryRequest, patterns } from "./lib/visibility/memory-cases.js";

const lengths = Array.from({ length: 8 }, (_, i) => 1024 * 2 ** i);
type Pattern = keyof typeof patterns;
const names = Object.keys(patterns) as Pattern[];

export const visibilityMemory: Bench = async ({ quick }) => {
  const rows: Row[] = [];
  for (const pattern of names) {
    for (const tokens of quick ? lengths.slice(0, 4) : lengths)
      rows.push(rowOf(pattern, tokens, await run(pattern, tokens, quick ? 1 : 3)));
  }
  if (!quick) writeFileSync(join(repositoryRoot, "packages/visibility-mask/memory.svg"), plot(rows));
  const longest = (pattern: Pattern) => rows.findLast((row) => row.pattern === pattern) as Row;
  const [windowed, packed] = [longest("causal, window 256"), longest("packed documents of 512")];
  return {
    rows,
    summary: {
      bytesPerTokenMask: windowed.maskBytes / windowed.tokens,
      bytesPerTokenMaskWithPositions: packed.maskBytes / packed.tokens,
      tokens: windowed.tokens,
      forwardExtraBytesPerToken: windowed.forwardExtraBytes / windowed.tokens,
      backwardExtraBytesPerToken: windowed.backwardExtraBytes / windowed.tokens,
      denseMaskRatio: windowed.denseMaskBytes / windowed.maskBytes,
    },
    peers: {
      denseMask: "computed: a byte a cell, one mask for all heads",
      denseProbabilities: "computed: 4 bytes a cell and head, which attention without tiles keeps for its gradient",
      attention: { ...heads, batch: 1, passes: "forward and backward" },
    },
  };
};

/** The medians of several processes: what a runtime does beside the call is not always the same. */
async function run(pattern: Pattern, tokens: number, processes: number): Promise<MemoryReply> {
  const replies: MemoryReply[] = [];
  for (let i = 0; i < processes; i++) replies.push(await runOnce(pattern, tokens));
  const middle = (name: "forwardExtraBytes" | "backwardExtraBytes") => median(replies.map((reply) => reply[name]));
  const [first] = replies as [MemoryReply];
  return {
    ...first,
    forwardExtraBytes: middle("forwardExtraBytes"),
    backwardExtraBytes: middle("backwardExtraBytes"),
  };
}

async function runOnce(pattern: Pattern, tokens: number): Promise<MemoryReply> {
  const peer: LinePeer<MemoryRequest, MemoryReply> = new LinePeer(
    "attention",
    process.execPath,
    ["--expose-gc", childProgram("visibility-memory")],
    { CAI_BACKEND: "cpu" },
  );
  try {
    return await peer.ask({ pattern, tokens });
  } finally {
    await peer.close();
  }
}

type Row = ReturnType<typeof rowOf>;

function rowOf(pattern: Pattern, tokens: number, reply: MemoryReply) {
  const { arrayBytes, positionBytes, lseBytes, ...measured } = reply;
  return {
    pattern,
    tokens,
    maskBytes: arrayBytes + positionBytes,
    lseBytes,
    ...measured,
    denseMaskBytes: tokens ** 2,
    denseProbabilitiesBytes: 4 * heads.H * tokens ** 2,
  };
}

function plot(rows: readonly Row[]): string {
  const [windowed] = names;
  const series = (
    name: string,
    key: "maskBytes" | "lseBytes" | "forwardExtraBytes" | "backwardExtraBytes" | "denseMaskBytes",
  ) => ({
    name,
    points: rows
      .filter((row) => row.pattern === windowed && row[key] > 0)
      .map((row) => [row.tokens, row[key] / 2 ** 20] as const),
  });
  return lineChart(
    [
      series("dense mask", "denseMaskBytes"),
      series("scratch of both passes", "backwardExtraBytes"),
      series("scratch of forward", "forwardExtraBytes"),
      series("lse, 8 heads", "lseBytes"),
      series("start and limit", "maskBytes"),
    ],
    lengths,
    { title: "Memory of attention with a window of 256", x: "tokens", y: "MiB" },
  );
}
