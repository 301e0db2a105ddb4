import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["garbage-collection", "exhaustion"]);
});
afterAll(() => box.remove());

describe("under collection", () => {
  // The ops' arrays are about 1 MiB a round and the buffers touch 15 MiB: keeping them would show as 30 MiB and more
  // from the second to the last third. Before that the engine's own heap still grows, in steps of 8 MiB.
  it.each(["ops", "buffers"])("%s neither crash nor leak", async (work) => {
    const { code, stdout, stderr } = await box.run("garbage-collection.js", {
      nodeFlags: ["--expose-gc"],
      args: [work],
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const resident = JSON.parse(stdout) as number[];
    const third = resident.length / 3;
    const growth = Math.min(...resident.slice(-third)) - Math.min(...resident.slice(third, 2 * third));
    expect(growth).toBeLessThan(10);
  });
});

describe("out of memory", () => {
  it("is a CaiError E_MEMORY, after which the process goes on", async () => {
    const { code, stdout, stderr } = await box.run("exhaustion.js", { addressSpaceKiB: 2 ** 24 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe("E_MEMORY E_MEMORY done\n");
  });
});
