// How fast is our float32 matrix product beside oneDNN's?
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { allocateAligned, backendInfo, matmul, setThreads, tensorAt } from "@cai/native";
import type { Bench } from "./lib/bench.js";
import { compilePeer } from "./lib/compile.js";
import { requireDebianPackages } from "./lib/install.js";
import { LinePeer } from "./lib/line-peer.js";
import { interleave, median } from "./lib/statistics.js";

interface Product {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Counts for minRatioToOneDnn. */
  readonly judged?: boolean;
}

type Request = { m: number; n: number; k: number; transposeA: number; transposeB: number; api: number; calls: number };
type Peer = LinePeer<Request, { milliseconds: number[] }, { version: string }>;

const judged = [
  [256, 256, 256],
  [1024, 256, 256],
  [2048, 1024, 256],
  [2048, 2048, 2048],
].map(([m = 0, n = 0, k = 0]): Product => ({ name: "square and tall", m, n, k, judged: true }));

/** The products of a training step of model S: 2,048 rows of width 256. */
const training: readonly Product[] = [
  { name: "forward, queries keys values", m: 2048, n: 768, k: 256, transposeB: true },
  { name: "forward, feed-forward in", m: 2048, n: 1024, k: 256, transposeB: true },
  { name: "forward, feed-forward out", m: 2048, n: 256, k: 1024, transposeB: true },
  { name: "forward, 256 rows of logits", m: 256, n: 4096, k: 256, transposeB: true },
  { name: "input gradient, feed-forward in", m: 2048, n: 256, k: 1024 },
  { name: "input gradient, feed-forward out", m: 2048, n: 1024, k: 256 },
  { name: "input gradient, 256 rows of logits", m: 256, n: 256, k: 4096 },
  { name: "weight gradient, feed-forward", m: 1024, n: 256, k: 2048, transposeA: true },
  { name: "weight gradient, vocabulary", m: 4096, n: 256, k: 256, transposeA: true },
];

/** About the time of one turn, and how many turns each contestant has. */
const plan = { quick: { turnMs: 10, rounds: 5 }, full: { turnMs: 60, rounds: 21 } };

export const gemm: Bench = async ({ quick }) => {
  const program = await buildPeer();
  const threads = availableParallelism();
  setThreads(threads);
  const peer: Peer = new LinePeer("oneDNN", program, [], { OMP_NUM_THREADS: String(threads) });
  try {
    const { version } = await peer.ready;
    const rows = [];
    for (const product of [...judged, ...training])
      rows.push(await compare(product, peer, plan[quick ? "quick" : "full"]));
    const ratios = rows.filter((_, i) => i < judged.length).map(({ ratio }) => ratio);
    const { cpuTarget } = backendInfo();
    return {
      rows,
      summary: {
        minRatioToOneDnn: Math.min(...ratios),
        minRatioToOneDnnInTraining: Math.min(...rows.slice(judged.length).map(({ ratio }) => ratio)),
      },
      peers: {
        oneDnn: { version, threads, apis: ["dnnl_sgemm", "matmul primitive"], counted: "the faster" },
        ours: { cpuTarget },
      },
    };
  } finally {
    await peer.close();
  }
};

async function compare(product: Product, peer: Peer, { turnMs, rounds }: { turnMs: number; rounds: number }) {
  const { m, n, k, transposeA = false, transposeB = false } = product;
  const flop = 2 * m * n * k;
  // Enough calls to fill a turn at 200 GFLOP/s.
  const calls = Math.max(1, Math.round((turnMs * 200e6) / flop));
  const ask = (api: number) => async () => {
    const request = { m, n, k, transposeA: Number(transposeA), transposeB: Number(transposeB), api, calls };
    return median((await peer.ask(request)).milliseconds);
  };
  const times = await interleave({ ours: ourTurn(product, calls), sgemm: ask(0), primitive: ask(1) }, rounds);
  const rate = (milliseconds: readonly number[]) => flop / median(milliseconds) / 1e6;
  const [ours, sgemm, primitive] = [rate(times.ours), rate(times.sgemm), rate(times.primitive)];
  return {
    product: product.name,
    form: `${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`,
    shape: `${m}x${n}x${k}`,
    oursGflops: ours,
    oneDnnSgemmGflops: sgemm,
    oneDnnPrimitiveGflops: primitive,
    ratio: ours / Math.max(sgemm, primitive),
  };
}

function ourTurn({ m, n, k, transposeA = false, transposeB = false }: Product, calls: number): () => number {
  const values = (rows: number, columns: number) => {
    const tensor = tensorAt("float32", allocateAligned(4 * rows * columns), 0, [rows, columns]);
    for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = (i % 97) / 97 - 0.5;
    return tensor;
  };
  const a = transposeA ? values(k, m) : values(m, k);
  const b = transposeB ? values(n, k) : values(k, n);
  const out = values(m, n);
  return () => {
    const times = Array.from({ length: calls }, () => {
      const start = performance.now();
      matmul(a, b, out, { transposeA, transposeB });
      return performance.now() - start;
    });
    return median(times);
  };
}

async function buildPeer(): Promise<string> {
  await requireDebianPackages(["libdnnl-dev", "g++"], () => existsSync("/usr/include/dnnl.hpp"));
  return compilePeer("onednn_gemm.cc", ["-ldnnl"]);
}
