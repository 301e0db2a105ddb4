import { join } from "node:path";
import { installedFamilies, runRanks } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

const timeoutMs = 2000;
const size = 3;
const survivors = [0, 2];

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["failing-ranks"]);
});
afterAll(() => box.remove());

/** What rank 1 does; what the others say of it, how soon (timeouts), and whether it learns the same. */
const scenarios = [
  { does: "is killed", says: "has not been heard from", timeouts: 1, learns: false },
  { does: "is killed in the middle of a transfer", says: "has not been heard from", timeouts: 1, learns: false },
  { does: "is stopped", says: "has not been heard from", timeouts: 1, learns: true },
  { does: "hangs in JavaScript", says: "lives but has not come to an operation", timeouts: 1, learns: true },
  {
    does: "hangs while another waits for it",
    says: "lives but has not come to an operation",
    timeouts: 1,
    learns: true,
  },
  { does: "exits without close", says: "ended without close()", timeouts: 0, learns: false },
  { does: "throws", says: "ended without close()", timeouts: 0, learns: false },
];

describe.each(installedFamilies())("when rank 1, over %s,", (family) => {
  it.concurrent.each(scenarios)("$does, all others name it in time", async ({ does, says, timeouts, learns }) => {
    const script = join(box.root, "dist", "failing-ranks.js");
    const ended = await runRanks({ family, size, script, args: [does, String(timeoutMs)] });
    expect(ended.timedOut, ended.stderr).toBe(false);
    const told = ended.records.map(({ rank }) => rank).sort();
    expect(told, ended.stderr).toEqual(learns ? [0, 1, 2] : survivors);
    for (const { rank, code, message, again, afterMs, closeMs } of ended.records) {
      expect(code).toBe("E_COMM");
      expect(message).toMatch(/^communicator: rank 1 on \S+ /);
      if (rank !== 1) expect(message).toContain(says);
      expect(again).toBe(message);
      expect(closeMs).toBeLessThan(500);
      // Busy processors, and the beats that are due, come on top.
      if (rank !== 1) expect(afterMs).toBeLessThan(timeouts * timeoutMs + 1500);
    }
  });

  it.concurrent("sends another size, all learn that the calls differ", async () => {
    const script = join(box.root, "dist", "failing-ranks.js");
    const args = ["sends another size", String(timeoutMs)];
    const { records, stderr } = await runRanks({ family, size, script, args });
    expect(records.length, stderr).toBe(size);
    for (const { code, message } of records) {
      expect(code).toBe("E_COMM");
      expect(message).toContain("the ranks' calls differ in kind, order or size");
    }
  });
});
