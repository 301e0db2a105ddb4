// Valid arguments for the ops of the addon, made anew at each call. They feed the tests of the addon's life: bad
// arguments (one thing changed), processors (what comes out), threads and collection (called over and over).
import { randomFloats } from "@cai/test-utils";
import { type DType, floatTensor, sizeOf, type Tensor, tensorOver, zeros } from "../../js/index.js";
import { type Addon, loadAddon } from "../../js/load.js";

/** The addon itself, without the TypeScript in front of it. */
export const rawAddon: () => Addon = loadAddon;

const drawn = new Map<string, Float32Array>();

/** Normal values from a seed, in memory of their own. */
function normalData(n: number, seed: number): Float32Array {
  const key = `${n} ${seed}`;
  const data = drawn.get(key) ?? randomFloats(n, seed);
  drawn.set(key, data);
  return data.slice();
}

function normal(shape: number[], seed: number): Tensor {
  return floatTensor(normalData(sizeOf(shape), seed), [...shape]);
}

/** Zeros; the shape is a copy too, since a test may change it. */
function blank<D extends DType = "float32">(shape: number[], dtype?: D): Tensor<D> {
  return zeros([...shape], dtype);
}

const vector = [20_011];
const matrix = [97, 65];
const adam = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3, gradScale: 0.5 };
const stream = { seed: 1n, stream: 2, offset: 3 };

export const opCases: Record<string, () => unknown[]> = {
  adamwStep: () => [normal(vector, 1), normal(vector, 2), normal(vector, 3), positive(vector, 4), { ...adam }],
  allocateAligned: () => [4096],
  bf16Round: () => [normal(vector, 1), blank(vector)],
  bf16ToFloat32: () => [bf16(vector), blank(vector)],
  cpuTarget: () => [],
  float32ToBf16: () => [normal(vector, 1), blank(vector, "bfloat16")],
  randomNormal: () => [blank(vector), { ...stream, mean: 0.5, std: 2 }],
  randomUniform: () => [blank(vector), { ...stream, low: -1, high: 2 }],
  rmsNormBackward: () => [
    ...[1, 2].map((seed) => normal(matrix, seed)),
    normal([65], 3),
    positive([97], 4),
    normal(matrix, 5),
    normal([65], 6),
    { accumulate: true },
  ],
  rmsNormForward: () => [normal(matrix, 1), normal([65], 2), blank(matrix), blank([97]), { eps: 1e-5 }],
  setThreads: () => [2],
  sumOfSquares: () => [[normal(vector, 1), normal(matrix, 2)]],
  threads: () => [],
};

function positive(shape: number[], seed: number): Tensor {
  const tensor = normal(shape, seed);
  return { ...tensor, data: (tensor.data as Float32Array).map((value) => 0.5 + 0.1 * value * value) };
}

function bf16(shape: number[]): Tensor {
  const data = new Uint32Array(normalData(sizeOf(shape), 1).buffer);
  return tensorOver("bfloat16", Uint16Array.from(data, (bits) => bits >>> 16), [...shape]);
}

const isTensor = (value: unknown): value is Tensor<DType> =>
  typeof value === "object" && value !== null && "data" in value;

/** Runs an op on its case; what it gives and what it wrote, as numbers in one list. */
export function outputOf(addon: Addon, name: string): number[] {
  const args = (opCases[name] as () => unknown[])();
  const result = addon[name]?.(...args);
  const written = args.filter(isTensor).flatMap((tensor) => Array.from(tensor.data));
  return typeof result === "number" ? [result, ...written] : written;
}

/** The ops whose result is a matter of arithmetic, in the order of the addon. */
export function arithmeticOps(addon: Addon): string[] {
  const others = ["allocateAligned", "cpuTarget", "setThreads", "threads"];
  return Object.keys(addon).filter((name) => name in opCases && !others.includes(name));
}
