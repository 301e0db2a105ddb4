// Valid arguments for the ops of the addon, made anew at each call. They feed the tests of the addon's life: bad
// arguments (one thing changed), processors (what comes out), threads and collection (called over and over).
import { createHash } from "node:crypto";
import { randomFloats, randomInts } from "@cai/test-utils";
import { type DType, floatTensor, intTensor, sizeOf, type Tensor, tensorOver, zeros } from "../../js/index.js";
import { type Addon, loadAddon } from "../../js/load.js";
import { nativeTables, powerTables, sqrtTables } from "../squinch-reference.js";

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

function integers(shape: number[], below: number, seed: number): Tensor<"int32"> {
  return intTensor(randomInts(sizeOf(shape), below, seed), [...shape]);
}

/** 0, 1, 2, ... plus `more` along the last dimension. */
function counting(shape: number[], more: number): Tensor<"int32"> {
  const length = shape.at(-1) as number;
  return intTensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i % length) + more),
    [...shape],
  );
}

const vector = [20_011];
const matrix = [97, 65];
const adam = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3, gradScale: 0.5 };
const stream = { seed: 1n, stream: 2, offset: 3 };

// B 2, T = S 33, H 4, K 2, D 16.
const queries = [2, 33, 4, 16];
const keys = [2, 33, 2, 16];
const visibility = () => ({
  scale: 0.25,
  start: counting([2, 33], 0),
  limit: counting([2, 33], 20),
  queryIndices: integers([2, 33], 45, 7),
  queryPositions: counting([2, 33], 0),
  keyPositions: counting([2, 33], 0),
  window: 15,
  softcap: 10,
});

export const opCases: Record<string, () => unknown[]> = {
  activationBackward: () => [normal(matrix, 1), normal(matrix, 2), blank(matrix), { kind: "gelu" }],
  activationForward: () => [normal(matrix, 1), blank(matrix), { kind: "relu2" }],
  adamwStep: () => [normal(vector, 1), normal(vector, 2), normal(vector, 3), positive(vector, 4), { ...adam }],
  allocateAligned: () => [4096],
  attentionBackward: () => [
    normal(queries, 1),
    normal(queries, 2),
    normal(keys, 3),
    normal(keys, 4),
    normal(queries, 5),
    positive([2, 4, 33], 6),
    ...[queries, keys, keys].map((shape) => blank(shape)),
    {
      ...visibility(),
      zregCoefficients: floatTensor(Float32Array.of(0.01, 0, 0.02, 0.1), [4]),
      zregTargets: normal([2, 33], 8),
    },
  ],
  attentionForward: () => [
    normal(queries, 1),
    normal(keys, 2),
    normal(keys, 3),
    blank(queries),
    blank([2, 4, 33]),
    visibility(),
  ],
  bf16Round: () => [normal(vector, 1), blank(vector)],
  bf16ToFloat32: () => [bf16(vector), blank(vector)],
  biasBackward: () => [normal(matrix, 1), normal([65], 2)],
  cpuTarget: () => [],
  crossEntropyBackward: () => [
    normal(matrix, 1),
    integers([97], 80, 2),
    positive([97], 3),
    normal([97], 4),
    { vocabStart: 10 },
  ],
  crossEntropyForward: () => [
    normal(matrix, 1),
    integers([97], 80, 2),
    normal([97], 3),
    blank([97]),
    { vocabStart: 10 },
  ],
  embeddingBackward: () => [integers([200], 97, 1), normal([200, 65], 2), normal(matrix, 3)],
  embeddingForward: () => [integers([200], 97, 1), normal(matrix, 2), normal([200, 65], 3), { accumulate: true }],
  float32ToBf16: () => [normal(vector, 1), blank(vector, "bfloat16")],
  layerNormBackward: () => [
    normal(matrix, 1),
    normal(matrix, 2),
    normal([65], 3),
    normal([97], 4),
    positive([97], 5),
    normal(matrix, 6),
    normal([65], 7),
    normal([65], 8),
    { accumulate: true },
  ],
  layerNormForward: () => [
    normal(matrix, 1),
    normal([65], 2),
    normal([65], 3),
    blank(matrix),
    blank([97]),
    blank([97]),
    { eps: 1e-5 },
  ],
  matmul: () => [
    normal([2, 65, 33], 1),
    normal([2, 40, 65], 2),
    blank([2, 33, 40]),
    {
      transposeA: true,
      transposeB: true,
      alpha: 0.5,
      bias: normal([40], 3),
      activation: "gelu",
      preActivation: blank([2, 33, 40]),
      addend: normal([2, 33, 40], 4),
      accumulate: false,
    },
  ],
  randomNormal: () => [blank(vector), { ...stream, mean: 0.5, std: 2 }],
  randomUniform: () => [blank(vector), { ...stream, low: -1, high: 2 }],
  rmsNormBackward: () => [
    normal(matrix, 1),
    normal(matrix, 2),
    normal([65], 3),
    positive([97], 4),
    normal(matrix, 5),
    normal([65], 6),
    { accumulate: true },
  ],
  rmsNormForward: () => [normal(matrix, 1), normal([65], 2), blank(matrix), blank([97]), { eps: 1e-5 }],
  rotary: () => [
    normal(queries, 1),
    normal([40, 8, 2], 2),
    integers([2, 33], 40, 3),
    blank(queries),
    { inverse: true, offset: 0 },
  ],
  setThreads: () => [2],
  siluGatedBackward: () => [...[1, 2, 3].map((seed) => normal(matrix, seed)), blank(matrix), blank(matrix)],
  siluGatedForward: () => [normal(matrix, 1), normal(matrix, 2), blank(matrix)],
  softcapBackward: () => [normal(matrix, 1), normal(matrix, 2), blank(matrix), { cap: 5 }],
  softcapForward: () => [normal(matrix, 1), blank(matrix), { cap: 5 }],
  squinchDecode: () => [
    { ...encodedVector(), data: Uint8Array.from(normalData(15_012, 1), (value) => Math.abs(1e6 * value) & 255) },
    normal(vector, 2),
    nativeTables(sqrtTables),
    { gain: 1.01, scale: 0.25, accumulate: true },
  ],
  squinchEncode: () => [
    normal(vector, 1),
    encodedVector(),
    nativeTables(powerTables),
    {
      stochastic: true,
      seed: 1n,
      stream: 2,
      saturate: true,
      gain: false,
      residual: normal(vector, 2),
      residualOut: blank(vector),
    },
  ],
  sumOfSquares: () => [[normal(vector, 1), normal(matrix, 2)]],
  threads: () => [],
};

/** Room for `vector` in six bytes for eight values. */
function encodedVector(): Tensor<"uint8"> {
  return blank([15_012], "uint8");
}

function positive(shape: number[], seed: number): Tensor {
  const tensor = normal(shape, seed);
  return { ...tensor, data: (tensor.data as Float32Array).map((value) => 0.5 + 0.1 * value * value) };
}

function bf16(shape: number[]): Tensor {
  const data = new Uint32Array(normalData(sizeOf(shape), 1).buffer);
  return tensorOver(
    "bfloat16",
    Uint16Array.from(data, (bits) => bits >>> 16),
    [...shape],
  );
}

const isTensor = (value: unknown): value is Tensor<DType> =>
  typeof value === "object" && value !== null && "data" in value;

/** Runs an op on its case: its result, and the tensors that it read and wrote. */
export function runCase(addon: Addon, name: string): { result: unknown; tensors: Tensor<DType>[] } {
  const args = opCases[name]?.() ?? [];
  const result = addon[name]?.(...args);
  return { result, tensors: [...args, ...Object.values(args.at(-1) ?? {})].filter(isTensor) };
}

/** What an op gives and writes on its case, as numbers in one list. */
export function outputOf(addon: Addon, name: string): Float64Array {
  const { result, tensors } = runCase(addon, name);
  const values = tensors.flatMap((tensor) => Array.from(tensor.data));
  return Float64Array.from(typeof result === "number" ? [result, ...values] : values);
}

/** A fingerprint of the bits that some ops give. */
export function digestOf(addon: Addon, names: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of names) {
    const { result, tensors } = runCase(addon, name);
    hash.update(String(result));
    for (const { data } of tensors) hash.update(data);
  }
  return hash.digest("hex");
}

/** The ops whose result is a matter of arithmetic, in the order of the addon. */
export function arithmeticOps(addon: Addon): string[] {
  const others = ["allocateAligned", "cpuTarget", "setThreads", "threads"];
  return Object.keys(addon).filter((name) => name in opCases && !others.includes(name));
}
