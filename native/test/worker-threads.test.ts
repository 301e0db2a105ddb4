import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["workers"]);
});
afterAll(() => box.remove());

/** Runs a scenario of `children/workers.ts`: what it printed, and how the process ended. */
async function outcome(scenario: string) {
  const { code, signal, stdout, stderr } = await box.run("workers.js", { args: [scenario] });
  return { code, signal, stderr, result: stdout === "" ? undefined : JSON.parse(stdout) };
}

const clean = { code: 0, signal: null, stderr: "" };

describe("worker threads", () => {
  it("can be the only users of the addon, one after the other, with the same bits", async () => {
    expect(await outcome("one after the other")).toEqual({ ...clean, result: 1 });
  });

  it("get the same bits as the main thread when all use the pool at once", async () => {
    expect(await outcome("all at once")).toEqual({ ...clean, result: 1 });
  });

  it("can be terminated inside ops and inside a getter that an op reads, again and again", async () => {
    expect(await outcome("ended by terminate")).toEqual({ ...clean, result: [1, true] });
  });

  it("can end themselves", async () => {
    expect(await outcome("ended by exit")).toEqual({ ...clean, result: [3, 3] });
  });
});

describe("the process", () => {
  it("ends at once with the code of process.exit() while threads are inside ops", async () => {
    expect(await outcome("process.exit")).toEqual({ ...clean, code: 7, result: "exiting" });
  });

  it("ends by itself when the main thread has nothing left to do", async () => {
    expect(await outcome("end of main")).toEqual({ ...clean, result: true });
  });

  it("ends promptly after an op", async () => {
    // All of it, start of Node included: a parked pool must not hold the process up.
    const { code, ms } = await box.run("workers.js", { args: ["ended by exit"] });
    expect(code).toBe(0);
    expect(ms).toBeLessThan(5000);
  });
});
