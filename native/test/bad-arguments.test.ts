import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { floatTensor, isCaiError, rmsNormForward, sumOfSquares, zeros } from "../js/index.js";
import { opCases } from "./children/op-cases.js";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["bad-arguments"]);
});
afterAll(() => box.remove());

/** The names in src/op_table.h. */
function opNames(): string[] {
  const table = readFileSync(new URL("../src/op_table.h", import.meta.url), "utf8");
  return [...table.matchAll(/^ *X\(\w+, "(\w+)"\)/gm)].map((match) => match[1] as string);
}

function errorOf(call: () => unknown): { code?: string; message: string; cause?: unknown } {
  try {
    call();
  } catch (error) {
    if (isCaiError(error)) return error;
  }
  throw new Error("expected a CaiError");
}

const ones = () => [zeros([2, 3]), zeros([3]), zeros([2, 3]), zeros([2])] as const;

describe("bad arguments", () => {
  it("are made from a valid case of every op", () => {
    expect(Object.keys(opCases)).toEqual(opNames());
  });

  it.each([20261123, Math.floor(Math.random() * 2 ** 31)])(
    "of every op end in a CaiError or do no harm: fast-check seed %i",
    async (seed) => {
      const { code, signal, stdout, stderr } = await box.run("bad-arguments.js", {
        nodeFlags: ["--expose-gc"],
        args: [String(seed), "100"],
      });
      expect({ code, signal, stderr, seed }).toEqual({ code: 0, signal: null, stderr: "", seed });
      expect(stdout.trim().split(" ")).toEqual(opNames());
    },
  );

  it("carry what a getter threw as the cause", () => {
    const cause = new RangeError("mine");
    const options = {
      get eps(): number {
        throw cause;
      },
    };
    const error = errorOf(() => rmsNormForward(...ones(), options));
    expect(error).toMatchObject({ code: "E_ARGUMENT", cause });
    expect(error.message).toContain("rmsNormForward: reading its arguments threw an exception");
  });

  it("are seen when a getter detaches an array that was read before", () => {
    const [x, weight, y, rstd] = ones();
    const options = {
      get eps(): number {
        structuredClone(x.data.buffer, { transfer: [x.data.buffer as ArrayBuffer] });
        return 1e-5;
      },
    };
    expect(errorOf(() => rmsNormForward(x, weight, y, rstd, options))).toMatchObject({
      code: "E_ARGUMENT",
      message: "rmsNormForward: x: its array was detached or resized while the arguments were read",
    });
  });

  it.each([
    [[2], [0], "x of shape [2, 2] must not overlap itself, got strides [2, 0]: copy it first"],
    [[1], [1], "x of shape [2, 2] must not overlap itself, got strides [1, 1]: copy it first"],
  ])("such as strides that make elements overlap are refused", ([rows], [columns], message) => {
    const x = { ...zeros([2, 2]), strides: [rows as number, columns as number] };
    const call = () => rmsNormForward(x, zeros([2]), zeros([2, 2]), zeros([2]), { eps: 1 });
    expect(errorOf(call)).toMatchObject({ code: "E_SHAPE", message: `rmsNormForward: ${message}` });
  });

  it("such as sizes beyond memory are refused before anything is computed", () => {
    for (const shape of [[2 ** 53 - 1], [2 ** 52, 2 ** 52], [2 ** 40, 2 ** 40, 0]]) {
      const message = errorOf(() => sumOfSquares([{ ...zeros([4]), shape }])).message;
      expect(message).toMatch(/needs|too large/);
    }
  });
});

describe("unusual memory", () => {
  it("may be shared between threads, or resizable", () => {
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([1, 2, 3, 4]);
    expect(sumOfSquares([floatTensor(shared, [4])])).toBe(30);
    const Resizable = ArrayBuffer as unknown as new (size: number, options: { maxByteLength: number }) => ArrayBuffer;
    const resizable = new Float32Array(new Resizable(16, { maxByteLength: 64 }));
    resizable.set(shared);
    expect(sumOfSquares([floatTensor(resizable, [4])])).toBe(30);
  });

  it("may be none at all: arrays without elements, detached ones too", () => {
    const detached = new Float32Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    for (const data of [new Float32Array(0), new Float32Array(new ArrayBuffer(8), 8), detached]) {
      expect(sumOfSquares([floatTensor(data, [0, 5])])).toBe(0);
      rmsNormForward(floatTensor(data, [0, 5]), zeros([5]), floatTensor(data, [0, 5]), floatTensor(data, [0]), {
        eps: 1,
      });
    }
    expect(errorOf(() => sumOfSquares([{ ...zeros([4]), data: detached }])).message).toContain(
      "needs 4 elements, its array has 0",
    );
  });
});
