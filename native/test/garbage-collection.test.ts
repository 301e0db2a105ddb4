import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["garbage-collection", "exhaustion"]);
});
afterAll(() => box.remove());

describe("under collection", () => {
  // The ops make about 8 MiB of garbage a round and the buffers touch 50 MiB: a leak of a tenth of that would show as
  // 5 MiB and more over the second half. The engine's own heap wavers by a few MiB.
  it.each(["ops", "buffers"])("%s neither crash nor leak", async (work) => {
    const { code, stdout, stderr } = await box.run("garbage-collection.js", { nodeFlags: ["--expose-gc"], args: [work] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const resident = JSON.parse(stdout) as number[];
    const half = resident.length / 2;
    const growth = Math.min(...resident.slice(half)) - Math.min(...resident.slice(2, half));
    expect(growth).toBeLessThan(8);
  });
});

describe("out of memory", () => {
  it("is a CaiError E_MEMORY, after which the process goes on", async () => {
    const { code, stdout, stderr } = await box.run("exhaustion.js", { addressSpaceKiB: 2 ** 24 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe("E_MEMORY E_MEMORY done\n");
  });
});
