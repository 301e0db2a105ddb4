import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.js";
import { CaiRanks, families, type RankFault } from "../support/cai-ranks.js";

const ranks = new CaiRanks();
beforeAll(() => ranks.prepare());
afterAll(() => ranks.remove());

// Short enough for a test, long enough for ranks that share two busy cores.
const timeoutS = 3;
const impatient = [`distributed.timeoutS=${timeoutS}`, "distributed.heartbeatS=0.5"];

/** Enough steps that none is done before the failure. */
const endless = [...impatient, "steps=100000", "checkpointEvery=5", "evalEvery=0"];

const short = [...impatient, "steps=40", "checkpointEvery=5", "evalEvery=0"];

/** What happens to rank 1, and what the others say of it after the three seconds of the tests, or at once. */
const cases: [string, NonNullable<RankFault["act"]>, RegExp][] = [
  ["is killed", "SIGKILL", /rank 1 on \S+ has not been heard from for 3/],
  ["is stopped", "SIGSTOP", /rank 1 on \S+ has not been heard from for 3/],
  ["is stuck in JavaScript", "stuck", /rank 1 on \S+ lives but has not come to an operation that others wait in/],
  ["ends its training thread", "exit", /rank 1 on \S+ ended without close\(\)/],
];

describe.skipIf(families.length === 0)("a run of which one rank", () => {
  it.concurrent.each(cases)(
    "%s ends on the others with an error that names it, and an exit code of its own",
    async (what, act, message) => {
      const run = what.replaceAll(" ", "-");
      const fault = { rank: 1, act, after: ranks.checkpointPath(run, 5) };
      const ended = await ranks.launch(ranks.train(run, ...endless), { size: 3, fault });
      for (const survivor of [0, 2]) {
        expect(ended.stderr).toMatch(new RegExp(`rank ${survivor}: communicator: ${message.source}`));
        expect(ended.stderr).toContain(`rank ${survivor} exits with ${exitCodes.rankLost}`);
      }
      expect(ended.timedOut).toBe(false);
    },
  );

  it.concurrent("can no longer read its data ends on all at once, and that rank says why", async () => {
    const fault = { rank: 1, act: "unread", after: ranks.checkpointPath("unread", 5) } as const;
    const ended = await ranks.launch(ranks.train("unread", ...endless), { size: 2, fault });
    expect(ended.stderr).toMatch(/rank 1: tokenShard: .*the disk is gone/);
    expect(ended.stderr).toMatch(/rank 0: communicator: rank 1 on \S+ ended without close\(\)/);
    expect(ended.stderr).toContain(`rank 0 exits with ${exitCodes.rankLost}`);
    expect(ended.stderr).toContain(`rank 1 exits with ${exitCodes.file}`);
  });

  it("writes a checkpoint for longer than others may be silent goes on", async () => {
    const slow = [...impatient, "steps=3", "schedule.decaySteps=1", "evalEvery=0"];
    const fault = { rank: 0, slowMs: 800 };
    const ended = await ranks.succeed(ranks.train("slow", ...slow), { size: 2, fault });
    expect(ranks.summary("slow"), ended.stderr).toMatchObject({ finished: true });
    const { seconds } = ranks.summary("slow") as { seconds: number };
    expect(seconds).toBeGreaterThan(timeoutS);
  });

  it("was killed is resumed from its last checkpoint", async () => {
    const fault = { rank: 1, act: "SIGKILL", after: ranks.checkpointPath("lost", 5) } as const;
    await ranks.launch(ranks.train("lost", ...short), { size: 2, fault });
    await ranks.succeed(["resume", ranks.at("lost"), "--json"], { size: 2 });
    await ranks.succeed(ranks.train("whole", ...short), { size: 2 });
    expect(await ranks.digest("lost", 40)).toBe(await ranks.digest("whole", 40));
    expect(ranks.losses("lost")).toEqual(ranks.losses("whole"));
  });
});
