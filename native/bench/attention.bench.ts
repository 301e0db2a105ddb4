// Usage: npx jiti native/bench/attention.bench.ts
// GFLOP/s over visible cells (forward 4 · D, backward 10 · D each), beside a matrix product of 1024³ as the practical
// multiply-add peak, measured in turn. Decoding: GB/s of keys and values read.
import {
  type AttentionOptions,
  attentionBackward,
  attentionForward,
  type FloatTensor,
  floatTensor,
  matmul,
} from "../js/index.js";
import { mediansMs, reportBackend, reportBandwidth, tensorOf } from "./harness.js";

interface Shape {
  name: string;
  B: number;
  T: number;
  H: number;
  K?: number;
  D: number;
  window?: number;
}

const shapes: Shape[] = [
  { name: "training S, causal, fused qkv", B: 8, T: 256, H: 4, D: 64 },
  { name: "training M, causal, fused qkv", B: 8, T: 256, H: 6, D: 64 },
  { name: "causal 2048", B: 1, T: 2048, H: 8, D: 64 },
  { name: "causal 8192", B: 1, T: 8192, H: 8, D: 64 },
  { name: "causal 2048, one key-value head", B: 1, T: 2048, H: 8, K: 1, D: 64 },
  { name: "causal 2048, D 128", B: 1, T: 2048, H: 4, D: 128 },
  { name: "window 256 of 8192", B: 1, T: 8192, H: 8, D: 64, window: 256 },
];

/** q, k and v as views of one [B, T, (H + 2K) · D] array, as a fused projection leaves them. */
function views({ B, T, H, K = H, D }: Shape): [FloatTensor, FloatTensor, FloatTensor] {
  const width = (H + 2 * K) * D;
  const { data } = tensorOf([B, T, width]);
  const strides = [T * width, width, D, 1];
  return [
    floatTensor(data, [B, T, H, D], strides),
    floatTensor(data.subarray(H * D), [B, T, K, D], strides),
    floatTensor(data.subarray((H + K) * D), [B, T, K, D], strides),
  ];
}

function bench(shape: Shape): void {
  const { name, B, T, H, D, window = 0 } = shape;
  const options: AttentionOptions = { scale: 1 / Math.sqrt(D), window };
  const [q, k, v] = views(shape);
  const [dq, dk, dv] = views(shape);
  const [out, dout, lse] = [tensorOf([B, T, H, D]), tensorOf([B, T, H, D]), tensorOf([B, H, T])];
  const n = 1024;
  const [a, b, product] = [tensorOf([n, n]), tensorOf([n, n]), tensorOf([n, n])];
  const forward = () => attentionForward(q, k, v, out, lse, options);
  const backward = () => attentionBackward(dout, q, k, v, out, lse, dq, dk, dv, options);
  forward();
  const [forwardMs, backwardMs, productMs] = mediansMs([forward, backward, () => matmul(a, b, product)]) as Times;
  const seen = window === 0 ? (T * (T + 1)) / 2 : window * T - (window * (window - 1)) / 2;
  const speed = (flops: number, ms: number) => (flops * B * H * seen * D) / ms / 1e6;
  const show = (label: string, gflops: number, ms: number) =>
    `${label} ${ms.toFixed(2).padStart(8)} ms ${gflops.toFixed(0).padStart(4)} GFLOP/s`;
  console.log(
    `${name.padEnd(34)} ${show("forward", speed(4, forwardMs), forwardMs)}   ` +
      `${show("backward", speed(10, backwardMs), backwardMs)}   matmul ${((2 * n ** 3) / productMs / 1e6).toFixed(0)}`,
  );
}
type Times = [number, number, number];

function benchDecode(H: number, K: number, S: number, D: number): void {
  const [q, k, v] = [tensorOf([1, 1, H, D]), tensorOf([1, S, K, D]), tensorOf([1, S, K, D])];
  const [out, lse] = [tensorOf([1, 1, H, D]), tensorOf([1, H, 1])];
  const options = { scale: 1 / Math.sqrt(D), queryOffset: S - 1 };
  reportBandwidth(`decode, H ${H}, K ${K}, S ${S}, D ${D}`, 8 * S * K * D, () =>
    attentionForward(q, k, v, out, lse, options),
  );
}

reportBackend();
for (const shape of shapes) bench(shape);
benchDecode(8, 8, 2048, 64);
benchDecode(8, 8, 16384, 64);
benchDecode(8, 2, 16384, 64);
benchDecode(8, 1, 16384, 64);
