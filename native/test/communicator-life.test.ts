import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedFamilies, type MpiFamily, runRanks } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchedBy, singleProcess } from "../js/index.js";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["communicator-life"]);
});
afterAll(() => box.remove());

async function outcome(family: MpiFamily, scenario: string) {
  const script = join(box.root, "dist", "communicator-life.js");
  const ended = await runRanks({ family, size: 2, script, args: [scenario], timeoutMs: 25_000 });
  const records = ended.records.sort((a, b) => Number(a.rank ?? 9) - Number(b.rank ?? 9));
  return { ...ended, records };
}

const startedBefore = expect.stringContaining("MPI has been started before in this process");

describe.each(installedFamilies())("a communicator over %s", (family) => {
  it.concurrent("belongs to the worker thread that opened it, and to its process once only", async () => {
    const { code, records, stderr } = await outcome(family, "in a worker");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const again = { again: startedBefore };
    expect(records).toEqual([{ rank: 0, sum: 3 }, { rank: 1, sum: 3 }, again, again]);
  });

  it.concurrent("is closed for good", async () => {
    const { code, records, stderr } = await outcome(family, "opened twice");
    expect(code, stderr).toBe(0);
    const refused = {
      again: { code: "E_COMM", message: startedBefore },
      after: expect.objectContaining({ code: "E_COMM" }),
    };
    expect(records).toEqual([refused, refused]);
  });

  it.concurrent("lets its worker be terminated in the middle of operations", async () => {
    const { records, stderr } = await outcome(family, "worker terminated");
    expect(records, stderr).toEqual([{ code: 1, intact: true }]);
  });

  it.concurrent("lets the process exit in the middle of operations", async () => {
    const { records, stderr, ms } = await outcome(family, "exit while a worker waits");
    expect(records, stderr).toEqual([{ exiting: true }]);
    expect(ms).toBeLessThan(8000);
  });

  it.concurrent("lets the process end without close", async () => {
    const { records, ms, timedOut } = await outcome(family, "nothing left to do");
    expect(records).toEqual([{ rank: 0 }, { rank: 1 }]);
    expect(timedOut).toBe(false);
    expect(ms).toBeLessThan(8000);
  });

  it.concurrent("says so when library and launcher are of different families", async () => {
    const { records, stderr } = await outcome(family, "another family's library");
    expect(records.length, stderr).toBe(2);
    for (const record of records) {
      expect(record).toMatchObject({ code: "E_COMM", message: expect.stringContaining("must be of one family") });
    }
  });
});

describe("opening a communicator", () => {
  const environment = (family: MpiFamily) => ({ CAI_MPI: family });

  it("says how to install an MPI that isn't there", async () => {
    const library = "/nowhere/libmpi.so.40";
    const { stdout } = await box.run("communicator-life.js", { args: ["no library", library] });
    const { code, message } = JSON.parse(stdout);
    expect(code).toBe("E_LOAD");
    expect(message).toContain("communicator: Open MPI could not be opened. Tried:");
    expect(message).toContain(`  ${library}: ${library}: cannot open shared object file: No such file or directory`);
    expect(message).toContain("What to do: install it (Debian and Ubuntu: sudo apt-get install openmpi-bin)");
  });

  it("says what to build when only our library over it is missing", async () => {
    const bare = await temporaryPackage(["communicator-life"], { binary: false });
    const release = join(bare.root, "build", "Release");
    mkdirSync(release, { recursive: true });
    const addon = join(dirname(fileURLToPath(import.meta.url)), "..", "build", "Release", "cai_native.node");
    copyFileSync(addon, join(release, "cai_native.node"));
    const { stdout } = await bare.run("communicator-life.js", { args: ["not launched"], env: environment("mpich") });
    const { code, message } = JSON.parse(stdout);
    expect(code).toBe("E_LOAD");
    expect(message).toContain(`  ${join(release, "libcai_mpi_mpich.so")}: `);
    expect(message).toContain("headers of MPICH");
    expect(message).toContain("libmpich-dev");
    bare.remove();
  });

  it("needs a launcher, or a library by name", async () => {
    const { stdout } = await box.run("communicator-life.js", { args: ["not launched"] });
    expect(JSON.parse(stdout)).toMatchObject({
      by: "nobody",
      code: "E_CONFIG",
      message: expect.stringContaining("was not started by a launcher of MPI: start it with `mpirun -np 4 node ...`"),
    });
    const named = await box.run("communicator-life.js", { args: ["not launched"], env: { CAI_MPI: "lam" } });
    expect(JSON.parse(named.stdout)).toMatchObject({
      code: "E_CONFIG",
      message: expect.stringContaining('must be "openmpi", "mpich" or a path with a slash, got "lam"'),
    });
  });

  it("knows launchers by their environment", () => {
    expect(launchedBy({ OMPI_COMM_WORLD_SIZE: "4" })).toBe("openmpi");
    expect(launchedBy({ PMIX_RANK: "0", SLURM_PROCID: "0" })).toBe("openmpi");
    expect(launchedBy({ PMI_RANK: "0", PMI_SIZE: "2" })).toBe("mpich");
    expect(launchedBy({ PMI_FD: "8" })).toBe("mpich");
    expect(launchedBy({ SLURM_PROCID: "0" })).toBeUndefined();
  });
});

describe("singleProcess", () => {
  it("copies, and is done at once", async () => {
    const comm = singleProcess();
    expect([comm.rank, comm.size, comm.localRanks, comm.bytesSent]).toEqual([0, 1, [0], 0]);
    const receive = new Float32Array(3);
    for (const operation of ["allToAll", "allGather", "reduceScatter"] as const) {
      receive.fill(0);
      const pending = comm[operation](Float32Array.of(1, 2, 3), receive);
      expect(pending.done).toBe(true);
      expect([...receive]).toEqual([1, 2, 3]);
      pending.wait();
      await pending;
    }
    const buffer = Float32Array.of(4, 5);
    await Promise.all([comm.allReduce(buffer), comm.broadcast(buffer, 0), comm.barrier()]);
    expect([...buffer]).toEqual([4, 5]);
    expect(comm.duplicate().split(3, 1).size).toBe(1);
  });

  it("refuses what no communicator takes", () => {
    const comm = singleProcess();
    expect(() => comm.allToAll(new Float32Array(3), new Float32Array(4))).toThrow(/one type and length/);
    expect(() => comm.broadcast(new Uint8Array(3), 1)).toThrow("root must be 0, got 1");
    comm.close();
    expect(() => comm.barrier()).toThrow("this communicator is closed");
  });
});
