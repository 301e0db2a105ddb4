// How fast does Squinch encode and decode, beside memcpy of as many bytes and PyTorch's quantisation to 8 bits?
import { existsSync } from "node:fs";
import { allocateAligned, backendInfo, float32ToBf16, floatTensor, setThreads, tensorOver } from "@cai/native";
import { backend, decode, type EncodeOptions, encodedLength, encodeInto } from "@cai/squinch";
import type { Bench, Cell } from "./lib/bench.js";
import { compilePeer } from "./lib/compile.js";
import { requireDebianPackages } from "./lib/install.js";
import { LinePeer } from "./lib/line-peer.js";
import { fillNormal } from "./lib/normal-values.js";
import { benchmarksFolder, childProgram } from "./lib/paths.js";
import { interleave, median, sample } from "./lib/statistics.js";
import { requireTorch, torchPython, tunedTorchEnvironment } from "./lib/torch.js";

type Copier = LinePeer<
  { bytes: number; threads: number; calls: number },
  { milliseconds: number[] },
  { compiler: string }
>;
type Torch = LinePeer<
  { values: number; threads: number; calls: number },
  { quantize: number[]; dequantize: number[] },
  { version: string }
>;
type Portable = LinePeer<
  { values: number; calls: number },
  { encode: number[]; decode: number[]; decodeAdd: number[] },
  { backend: string }
>;
type Row = Readonly<Record<string, Cell>>;

/** Values of a native call, of a portable and of a PyTorch one; turns of each contestant, calls in a turn. */
const plans = {
  quick: { values: 2 ** 24, portableValues: 2 ** 20, torchValues: 2 ** 20, rounds: 3, calls: 1 },
  full: { values: 2 ** 26, portableValues: 2 ** 24, torchValues: 2 ** 24, rounds: 11, calls: 3 },
};
type Plan = (typeof plans)["full"];

/** An operation on `values` values: the bytes that it must read and write for each, and one call. */
interface Operation {
  readonly name: string;
  readonly bytesPerValue: number;
  readonly run: () => void;
}

export const squinchSpeed: Bench = async ({ quick }) => {
  const plan = plans[quick ? "quick" : "full"];
  await requireTorch();
  await requireDebianPackages(["g++"], () => existsSync("/usr/bin/g++"));
  const copier: Copier = new LinePeer("memcpy", compilePeer("memcpy.cc", ["-pthread"]), [], {});
  const torchScript = `${benchmarksFolder}/peers/torch_quantize.py`;
  const torch: Torch = new LinePeer("PyTorch", torchPython, [torchScript], tunedTorchEnvironment());
  const portable: Portable = new LinePeer("the portable code", process.execPath, [childProgram("squinch-portable")], {
    CAI_BACKEND: "portable",
  });
  try {
    const operations = nativeOperations(plan.values);
    const rows: Row[] = [];
    for (const threads of [1, 2]) rows.push(...(await measureNative(operations, threads, copier, plan)));
    rows.push(...(await measurePortable(portable, plan)));
    for (const threads of [1, 2]) rows.push(...(await measureTorch(torch, threads, plan)));
    const peers = {
      memcpy: { ...(await copier.ready), pages: "huge" },
      torch: { ...(await torch.ready), form: "[n / 256, 256], one scale a row, known beforehand", to: "qint8" },
      ours: { native: backend(), portable: (await portable.ready).backend, cpuTarget: backendInfo().cpuTarget },
    };
    return { rows, summary: summarise(rows), peers };
  } finally {
    await Promise.all([copier.close(), torch.close(), portable.close()]);
  }
};

function nativeOperations(n: number): Operation[] {
  const floats = () => new Float32Array(allocateAligned(4 * n));
  const [x, out, residual] = [floats(), floats(), floats()];
  fillNormal(x);
  const narrow = new Uint16Array(allocateAligned(2 * n));
  float32ToBf16(floatTensor(x, [n]), tensorOver("bfloat16", narrow, [n]));
  const bytes = new Uint8Array(allocateAligned(encodedLength(n)), 0, encodedLength(n));
  const sent = encodedLength(n) / n;
  const encoding = (name: string, read: number, values: Float32Array | Uint16Array, options: EncodeOptions) => {
    return { name, bytesPerValue: read + sent, run: () => void encodeInto(values, bytes, options) };
  };
  return [
    encoding("encode", 4, x, {}),
    encoding("encode, codebook adam", 4, x, { codebook: "adam" }),
    encoding("encode, codebook lloyd", 4, x, { codebook: "lloyd" }),
    encoding("encode bf16", 2, narrow, {}),
    encoding("encode, stochastic", 4, x, { rounding: "stochastic", seed: 1 }),
    encoding("encode, residual", 12, x, { residual }),
    { name: "decode", bytesPerValue: sent + 4, run: () => void decode(bytes, n, { out }) },
    {
      name: "decode and add",
      bytesPerValue: sent + 8,
      run: () => void decode(bytes, n, { out, accumulate: true, scale: 0.5 }),
    },
  ];
}

async function measureNative(
  operations: readonly Operation[],
  threads: number,
  copier: Copier,
  { values, rounds, calls }: Plan,
): Promise<Row[]> {
  setThreads(threads);
  const contestants = Object.fromEntries(
    operations.map(({ name, run }) => [name, () => median(sample(run, calls))] as const),
  );
  // As many bytes as the decoder's out: half of them read, half written.
  const bytes = 4 * values;
  const copy = async () => median((await copier.ask({ bytes, threads, calls })).milliseconds);
  const times = await interleave<string, number>({ ...contestants, memcpy: copy }, rounds);
  const copied = (2 * bytes) / median(times.memcpy as number[]);
  const row = (name: string, bytesPerValue: number, milliseconds: number): Row => {
    const rate = (bytesPerValue * values) / milliseconds;
    return rowOf(name, threads, values, milliseconds, rate / 1e6, rate / copied);
  };
  return [
    row("memcpy", 8, median(times.memcpy as number[])),
    ...operations.map(({ name, bytesPerValue }) => row(name, bytesPerValue, median(times[name] as number[]))),
  ];
}

async function measurePortable(portable: Portable, { portableValues: values, rounds }: Plan): Promise<Row[]> {
  const { encode, decode, decodeAdd } = await portable.ask({ values, calls: 3 * rounds });
  const sent = encodedLength(values) / values;
  const row = (name: string, bytesPerValue: number, times: readonly number[]) => {
    const milliseconds = median(times);
    return rowOf(`portable ${name}`, 1, values, milliseconds, (bytesPerValue * values) / milliseconds / 1e6, null);
  };
  return [row("encode", 4 + sent, encode), row("decode", 4 + sent, decode), row("decode and add", 8 + sent, decodeAdd)];
}

async function measureTorch(torch: Torch, threads: number, { torchValues: values, rounds }: Plan): Promise<Row[]> {
  const { quantize, dequantize } = await torch.ask({ values, threads, calls: 2 * rounds });
  const row = (name: string, times: readonly number[]) => {
    const milliseconds = median(times);
    return rowOf(`PyTorch ${name}`, threads, values, milliseconds, (5 * values) / milliseconds / 1e6, null);
  };
  return [row("quantize_per_channel", quantize), row("dequantize", dequantize)];
}

function rowOf(
  operation: string,
  threads: number,
  values: number,
  milliseconds: number,
  gigabytesPerSecond: number,
  ratioToMemcpy: number | null,
): Row {
  const float32GigabytesPerSecond = (4 * values) / milliseconds / 1e6;
  const valuesPerSecond = (1000 * values) / milliseconds;
  return {
    operation,
    threads,
    values,
    milliseconds,
    float32GigabytesPerSecond,
    valuesPerSecond,
    gigabytesPerSecond,
    ratioToMemcpy,
  };
}

function summarise(rows: readonly Row[]): Record<string, Cell> {
  const find = (name: string, threads: number) =>
    rows.find((row) => row.operation === name && row.threads === threads) as Row;
  const speedOf = (name: string, threads: number) => find(name, threads).valuesPerSecond as number;
  return {
    encodeRatioToMemcpy: find("encode", 2).ratioToMemcpy as number,
    decodeAddRatioToMemcpy: find("decode and add", 2).ratioToMemcpy as number,
    portableEncodeValuesPerSecond: speedOf("portable encode", 1),
    encodeRatioToPyTorch: speedOf("encode", 2) / speedOf("PyTorch quantize_per_channel", 2),
  };
}
