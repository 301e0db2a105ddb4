import { setTimeout as sleep } from "node:timers/promises";
import { CaiError, type Communicator, isCaiError } from "@cai/native";
import { describe, expect, it } from "vitest";
import { rankNames } from "../../src/distributed/failures.js";
import { disagreements } from "../../src/distributed/handshake.js";
import { broadcastJson, gatherJson } from "../../src/distributed/messages.js";
import { type Leader, ledByRankZero } from "../../src/distributed/rank-zero.js";
import { coreList, coreShare } from "../../src/distributed/shares.js";
import { together } from "../../src/distributed/together.js";
import { onMemoryRanks } from "../support/memory-ranks.js";

/** What each rank's work came to: a value, or an error's code and message. */
function outcomes<T>(size: number, work: (comm: Communicator) => Promise<T>): Promise<(T | string)[]> {
  return onMemoryRanks(size, async (comm) => {
    try {
      return await work(comm);
    } catch (error) {
      return isCaiError(error) ? `${error.code} ${error.message}` : String(error);
    }
  });
}

const slow = { timeoutS: 60 };
const ioError = (message: string) => new CaiError("E_IO", "manifest", message);

describe("gatherJson and broadcastJson", () => {
  it("bring values of any length to every rank, in the order of ranks", async () => {
    const values = ["", "é".repeat(1000), null, { a: [1, 2] }];
    expect(await onMemoryRanks(4, (comm) => gatherJson(comm, values[comm.rank]))).toEqual(Array(4).fill(values));
    expect(await onMemoryRanks(3, (comm) => broadcastJson(comm, `from ${comm.rank}`))).toEqual(Array(3).fill("from 0"));
  });

  it("need nobody on one rank", async () => {
    expect(await onMemoryRanks(1, (comm) => gatherJson(comm, "alone"))).toEqual([["alone"]]);
    expect(await onMemoryRanks(1, (comm) => broadcastJson(comm, "alone"))).toEqual(["alone"]);
  });
});

describe("together", () => {
  it("gives each rank its own result when all succeed", async () => {
    expect(await outcomes(3, (comm) => together(comm, () => comm.rank * 2))).toEqual([0, 2, 4]);
  });

  it("fails on every rank with the code of the rank that failed, naming it", async () => {
    const work = (comm: Communicator) =>
      together(comm, () => {
        if (comm.rank === 2) throw ioError("no data");
      });
    const elsewhere = "E_IO train: rank 2 failed: manifest: no data";
    expect(await outcomes(3, work)).toEqual([elsewhere, elsewhere, "E_IO manifest: no data"]);
  });

  it("tells once what several ranks met", async () => {
    const work = (comm: Communicator) =>
      together(comm, () => {
        if (comm.rank === 1) throw new Error("odd");
        if (comm.rank > 1) throw ioError("no data");
      });
    const [first] = await outcomes(4, work);
    expect(first).toBe("E_INTERNAL train: rank 1 failed: odd\nranks 2 and 3 failed: manifest: no data");
  });

  it("does not try to agree once the ranks have lost each other", async () => {
    const work = (comm: Communicator) =>
      together(comm, () => {
        throw new CaiError("E_COMM", "communicator", "rank 1 died");
      });
    expect(await outcomes(2, work)).toEqual(Array(2).fill("E_COMM communicator: rank 1 died"));
  });
});

describe("ledByRankZero", () => {
  it("lets rank 0 fetch from the others, itself included, and gives it alone the result", async () => {
    const result = await outcomes(3, (comm) => {
      const own = Uint8Array.from({ length: 10 }, (_, i) => 10 * comm.rank + i);
      const collect = async (leader: Leader) => {
        const seen: number[] = [];
        for (const rank of [2, 0, 1]) seen.push(...(await leader.fetch(rank, 0, 4, 6)));
        return seen;
      };
      return ledByRankZero(comm, slow, collect, () => own);
    });
    expect(result).toEqual([[24, 25, 4, 5, 14, 15], undefined, undefined]);
  });

  it("keeps telling that it is at work, whether it awaits something or computes", async () => {
    let operations = 0;
    const counted = (comm: Communicator) => {
      const broadcast = comm.broadcast.bind(comm);
      comm.broadcast = (buffer, root) => {
        operations++;
        return broadcast(buffer, root);
      };
      return comm;
    };
    await onMemoryRanks(2, (comm) =>
      ledByRankZero(counted(comm), { timeoutS: 0.02 }, async (leader) => {
        await sleep(60);
        for (let i = 0; i < 4; i++) {
          const until = performance.now() + 6;
          while (performance.now() < until);
          leader.alive();
          await null;
        }
      }),
    );
    // One for the end on each of two ranks; the rest are signs of life.
    expect(operations).toBeGreaterThan(2 + 2 * 5);
  });

  it("fails on every rank when rank 0 fails, after fetches too", async () => {
    const work = (comm: Communicator) =>
      ledByRankZero(
        comm,
        slow,
        async (leader) => {
          await leader.fetch(1, 0, 0, 1);
          throw new CaiError("E_IO", "checkpoint", "the disk is full");
        },
        () => new Uint8Array(1),
      );
    const elsewhere = "E_IO train: rank 0 failed: checkpoint: the disk is full";
    expect(await outcomes(3, work)).toEqual(["E_IO checkpoint: the disk is full", elsewhere, elsewhere]);
  });

  it("is a plain call on one rank", async () => {
    const fetched = outcomes(1, (comm) =>
      ledByRankZero(
        comm,
        slow,
        (leader) => leader.fetch(0, 7, 1, 3),
        (item) => Uint8Array.of(item, item + 1, item + 2),
      ),
    );
    expect(await fetched).toEqual([Uint8Array.of(8, 9)]);
  });
});

describe("disagreements", () => {
  it("says who has what, where not all have the same", () => {
    const same = { recipe: "a", data: "d" };
    expect(disagreements([same, same, same])).toEqual([]);
    expect(disagreements([same, { ...same, data: "e" }, same, { recipe: "a" } as never])).toEqual([
      "data: d on ranks 0 and 2; e on rank 1; absent on rank 3",
    ]);
  });

  it("names one rank, two and more", () => {
    expect([[3], [0, 2], [0, 1, 3]].map(rankNames)).toEqual(["rank 3", "ranks 0 and 2", "ranks 0, 1 and 3"]);
  });
});

describe("coreShare", () => {
  const all = [0, 1, 2, 3, 4, 5, 6, 7];

  it("divides cores that all ranks may use, and leaves bound ones to their rank", () => {
    expect(coreShare([all, all, all], [0, 1, 2], 1)).toBe(2);
    expect(
      coreShare(
        [
          [0, 1],
          [2, 3, 4],
        ],
        [0, 1],
        1,
      ),
    ).toBe(3);
    expect(coreShare([[0], [0], [0]], [0, 1, 2], 2)).toBe(1);
  });

  it("does not count ranks of other machines", () => {
    expect(coreShare([all, all, all, all], [2, 3], 2)).toBe(4);
  });

  it("reads the kernel's lists", () => {
    expect(coreList("0-2,7,9-10")).toEqual([0, 1, 2, 7, 9, 10]);
    expect(coreList("3")).toEqual([3]);
  });
});
