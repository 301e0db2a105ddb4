import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["garbage-collection", "exhaustion"]);
});
afterAll(() => box.remove());

describe("under collection", () => {
  // The ops' arrays are about 1 MiB a round and the buffers touch 25 MiB: keeping them would show as 20 MiB and more
  // between the second and the last quarter. The engine's own heap grows in steps of up to 8 MiB.
  it.each(["ops", "buffers"])("%s neither crash nor leak", async (work) => {
    const { code, stdout, stderr } = await box.run("garbage-collection.js", { nodeFlags: ["--expose-gc"], args: [work] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const resident = JSON.parse(stdout) as number[];
    const quarter = resident.length / 4;
    const growth = Math.min(...resident.slice(-quarter)) - Math.min(...resident.slice(quarter, 2 * quarter));
    expect(growth).toBeLessThan(12);
  });
});

describe("out of memory", () => {
  it("is a CaiError E_MEMORY, after which the process goes on", async () => {
    const { code, stdout, stderr } = await box.run("exhaustion.js", { addressSpaceKiB: 2 ** 24 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe("E_MEMORY E_MEMORY done\n");
  });
});
