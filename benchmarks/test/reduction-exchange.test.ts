import { bf16Codec, squinchCodec } from "@cai/squinch";
import { expectAllClose, randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { type ExchangeName, reductionExchange } from "../src/lib/reduction-exchange.js";

const [ranks, length] = [4, 1003];
const plainExchanges: readonly ExchangeName[] = [
  "float32",
  "bf16",
  "squinch",
  "squinchAdam",
  "squinchStochastic",
  "int4",
];
const gradients = () => Array.from({ length: ranks }, (_, rank) => randomFloats(length, rank + 1));

function sumOf(arrays: readonly Float32Array[]): Float64Array {
  const sum = new Float64Array(length);
  for (const array of arrays) for (let i = 0; i < length; i++) sum[i] = (sum[i] as number) + (array[i] as number);
  return sum;
}

describe("reductionExchange", () => {
  it.each(plainExchanges)("%s: every rank gets the same bits, near the sum", (name) => {
    const sent = gradients();
    reductionExchange(name, { ranks, length, seed: 1 })(sent);
    for (const other of sent.slice(1)) expect(other).toEqual(sent[0]);
    const exact = sumOf(gradients());
    const noise = exact.reduce((sum, x, i) => sum + ((sent[0]?.[i] as number) - x) ** 2, 0);
    const signal = exact.reduce((sum, x) => sum + x * x, 0);
    // Of normal values 4-bit blocks lose about a hundredth of the power in either of two encodings, the others less.
    expect(noise / signal).toBeLessThan(0.05);
  });

  it("float32: is the sum in the order of ranks", () => {
    const sent = gradients();
    reductionExchange("float32", { ranks, length, seed: 1 })(sent);
    const sum = gradients().reduce((total, gradient) => total.map((value, i) => value + (gradient[i] as number)));
    expect(sent[2]).toEqual(sum);
  });

  it.each([
    ["bf16", bf16Codec],
    ["squinch", squinchCodec()],
  ] as const)("%s: is two encodings, of each rank's values and of the sums", (name, codec) => {
    const roundTrip = (x: Float32Array) => {
      const bytes = new Uint8Array(codec.bytes(x.length));
      codec.encode(x, bytes, { seed: 0, stream: 0 });
      const out = new Float32Array(x.length);
      codec.decode(bytes, out, { accumulate: false, scale: 1 });
      return out;
    };
    const sent = gradients();
    reductionExchange(name, { ranks, length, seed: 1 })(sent);
    const decoded = gradients().map(roundTrip);
    const sum = decoded.reduce((total, gradient) => total.map((value, i) => value + (gradient[i] as number)));
    // Blocks begin at multiples of eight in shards as in the whole, so that the bits are the same.
    expect(sent[0]).toEqual(roundTrip(sum));
  });

  it("feeds back what encodings lost, so that sums over steps come close", () => {
    const exchange = reductionExchange("squinchFeedback", { ranks, length, seed: 1 });
    const plain = reductionExchange("squinch", { ranks, length, seed: 1 });
    const steps = 64;
    const total = { fed: new Float64Array(length), plain: new Float64Array(length) };
    for (let step = 0; step < steps; step++) {
      const [fed, without] = [gradients(), gradients()];
      exchange(fed);
      plain(without);
      total.fed.set(total.fed.map((value, i) => value + (fed[0]?.[i] as number)));
      total.plain.set(total.plain.map((value, i) => value + (without[0]?.[i] as number)));
    }
    const exact = sumOf(gradients());
    // What is still owed after the last step, about a code's width of a value near two, is spread over all steps.
    expectAllClose(
      total.fed.map((value) => value / steps),
      exact,
      { rtol: 0, atol: 0.03 },
    );
    const worst = Math.max(...total.plain.map((value, i) => Math.abs(value / steps - (exact[i] as number))));
    expect(worst).toBeGreaterThan(0.1);
  });

  it("draws other random numbers each step", () => {
    const exchange = reductionExchange("squinchStochastic", { ranks, length, seed: 1 });
    const [first, second] = [gradients(), gradients()];
    exchange(first);
    exchange(second);
    expect(first[0]).not.toEqual(second[0]);
  });
});
