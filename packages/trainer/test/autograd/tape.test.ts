import type { FloatTensor } from "@cai/native";
import { describe, expect, it } from "vitest";
import { Arena } from "../../src/autograd/arena.js";
import { Tape, type Variable } from "../../src/autograd/tape.js";

/** y = factor · x, elementwise. */
function scaled(tape: Tape, x: Variable, factor: number, saved: FloatTensor[] = []): Variable {
  const y = tape.variable(x.value.shape);
  y.value.data.set(x.value.data.map((value) => factor * value));
  tape.record(y, saved, [], (dy) => {
    const { tensor, accumulate } = tape.gradientOf(x);
    dy.data.forEach((grad, i) => {
      tensor.data[i] = (accumulate ? (tensor.data[i] as number) : 0) + factor * grad;
    });
  });
  return y;
}

function leaf(...values: number[]): Variable {
  const shape = [values.length];
  const tensor = (data: Float32Array): FloatTensor => ({ dtype: "float32", device: "cpu", shape, data });
  return { value: tensor(Float32Array.from(values)), grad: tensor(new Float32Array(values.length)) };
}

describe("Tape", () => {
  it("multiplies along a chain and adds where a value is used twice", () => {
    const tape = new Tape(new Arena(), { recording: true });
    const x = leaf(1, 2);
    const shared = scaled(tape, x, 3);
    const [a, b] = [scaled(tape, shared, 5), scaled(tape, shared, 7)];
    tape.gradientOf(a).tensor.data.fill(1);
    tape.gradientOf(b).tensor.data.fill(10);
    tape.backward();
    expect([...(x.grad as FloatTensor).data]).toEqual([3 * (5 + 70), 3 * (5 + 70)]);
  });

  it("gives all memory back once backward has run", () => {
    const arena = new Arena();
    const tape = new Tape(arena, { recording: true });
    const y = scaled(tape, scaled(tape, leaf(1), 2, [arena.take([4])]), 3, [arena.take([8])]);
    tape.gradientOf(y).tensor.data.fill(1);
    expect(arena.liveTensors).toBe(5);
    tape.backward();
    expect(arena.liveTensors).toBe(0);
  });

  it("passes over what has no gradient", () => {
    const tape = new Tape(new Arena(), { recording: true });
    const x = leaf(1);
    scaled(tape, x, 2);
    tape.backward();
    expect([...(x.grad as FloatTensor).data]).toEqual([0]);
  });

  it("forgets all variables but one when it does not record, and none when it does", () => {
    for (const recording of [false, true]) {
      const arena = new Arena();
      const tape = new Tape(arena, { recording });
      const kept = scaled(tape, scaled(tape, leaf(1), 2), 3);
      tape.forgetAllBut(kept);
      expect(arena.liveTensors).toBe(recording ? 2 : 1);
      const last = scaled(tape, kept, 5);
      tape.forgetAllBut(last);
      expect(arena.liveTensors).toBe(recording ? 3 : 1);
      expect([...last.value.data]).toEqual([30]);
    }
  });

  it("saves nothing when it does not record", () => {
    const arena = new Arena();
    const tape = new Tape(arena, { recording: false });
    scaled(tape, leaf(1), 2, [arena.take([4])]);
    expect(arena.liveTensors).toBe(1);
    tape.backward();
    expect(arena.liveTensors).toBe(1);
  });
});

describe("Arena", () => {
  it("hands a released block to the next request of its size only", () => {
    const arena = new Arena();
    const first = arena.take([100]);
    const second = arena.take([100]);
    expect(second.data.byteOffset).not.toBe(first.data.byteOffset);
    arena.release(first);
    expect(arena.take([5000]).data.byteOffset).not.toBe(first.data.byteOffset);
    expect(arena.take([100], "int32").data.byteOffset).toBe(first.data.byteOffset);
  });

  it("aligns every tensor to a cache line, empty ones too", () => {
    const arena = new Arena();
    for (const shape of [[1], [0], [17], [3, 5]]) expect(arena.take(shape).data.byteOffset % 64).toBe(0);
  });

  it("reserves no more for the same requests after a reset", () => {
    const arena = new Arena();
    const round = () => [[10], [1 << 22], [1 << 22], [77, 3]].map((shape) => arena.take(shape));
    round();
    const reserved = arena.reservedBytes;
    arena.reset();
    round();
    expect(arena.reservedBytes).toBe(reserved);
  });

  it("refuses a tensor that is not out", () => {
    const arena = new Arena();
    const tensor = arena.take([1]);
    arena.release(tensor);
    expect(() => arena.release(tensor)).toThrow("does not hold");
  });
});
