import { describe, expect, it } from "vitest";
import { runRanks } from "../src/lib/mpi-run.js";

const shell = (script: string) => ({ command: "sh", args: ["-c", script], environment: { GREETING: "hello" } });

describe("runRanks", () => {
  it("collects lines of JSON from what is printed, in an environment of its own", async () => {
    const script = `echo launcher noise; echo "{\\"said\\":\\"$GREETING\\"}"; echo '{"rank":1}'`;
    expect(await runRanks(shell(script))).toEqual([{ said: "hello" }, { rank: 1 }]);
  });

  it("tells what the ranks complained of when they fail", async () => {
    await expect(runRanks(shell("echo rank 3 is gone >&2; exit 7"))).rejects.toThrow(/ended with 7:\nrank 3 is gone/);
  });

  it("tells when there is no such command", async () => {
    await expect(runRanks({ command: "/no/such/mpirun", args: [], environment: {} })).rejects.toThrow("ENOENT");
  });
});
