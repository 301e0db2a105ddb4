// Prints the instruction set in use and the mean error of large products on several kinds of data, in units of
// 2^-24 Σ |a b|, against double precision.
import { randomFloats } from "@cai/test-utils";
import { backendInfo, floatTensor, matmul, zeros } from "../../js/index.js";

const [m, n, k] = [96, 96, 2000];

function rmsError(a: Float32Array, b: Float32Array): number {
  const out = zeros([m, n]);
  matmul(floatTensor(a, [m, k]), floatTensor(b, [n, k]), out, { transposeB: true });
  let squares = 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, size] = [0, 0];
      for (let p = 0; p < k; p++) {
        const term = (a[i * k + p] as number) * (b[j * k + p] as number);
        sum += term;
        size += Math.abs(term);
      }
      squares += (((out.data[i * n + j] as number) - sum) / size) ** 2;
    }
  }
  return Math.sqrt(squares / (m * n)) * 2 ** 24;
}

const a = randomFloats(m * k, 1);
const b = randomFloats(n * k, 2);
const exponents = randomFloats(m * k, 3);
const positive = (data: Float32Array) => data.map((x) => Math.abs(x));
const wide = (data: Float32Array) => data.map((x, i) => x * 2 ** Math.round(4 * (exponents[i] as number)));
// Every other term takes back the one before, but for a ten-thousandth.
const negated = a.map((x, i) => (i % 2 === 0 ? x : -(a[i - 1] as number)));
const repeated = b.map((x, i) => (i % 2 === 0 ? x : (b[i - 1] as number) * 1.0001));

const errors = {
  normal: rmsError(a, b),
  positive: rmsError(positive(a), positive(b)),
  wide: rmsError(wide(a), wide(b)),
  cancelling: rmsError(negated, repeated),
};
console.log(JSON.stringify({ cpuTarget: backendInfo().cpuTarget, errors }));
