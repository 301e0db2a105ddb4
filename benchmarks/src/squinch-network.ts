// What does an exchange of gradients cost on a slow network, and the training step with it, as float32, bf16 and Squinch?
// Four ranks in four network namespaces of this machine, with links that the kernel limits.
import type { Bench } from "./lib/bench.js";
import { LinePeer } from "./lib/line-peer.js";
import {
  measureExchanges,
  measureLink,
  measureRaw,
  measureSteps,
  measureWork,
  type Plan,
  type Ranks,
} from "./lib/network-measure.js";
import { NetworkRig } from "./lib/network-rig.js";
import { type NetworkRow, summarise } from "./lib/network-rows.js";
import { childProgram } from "./lib/paths.js";
import { networkSettings } from "./lib/rig-commands.js";

const plans: Readonly<Record<"quick" | "full", Plan>> = {
  quick: { rounds: 1, steps: 1, rawBytes: 4e6 },
  full: { rounds: 11, steps: 7, rawBytes: 16e6 },
};
const rates = [1000, 250] as const;

export const squinchNetwork: Bench = async ({ quick }) => {
  const plan = plans[quick ? "quick" : "full"];
  const rig = new NetworkRig({ hosts: 4 });
  const rows: NetworkRow[] = [];
  try {
    const spread = await withRanks(rig, [1, 1, 1, 1], async (ranks) => {
      rows.push(...(await measureWork(ranks, plan)));
      for (const linkMbit of rates) rows.push(...(await measureLink({ rig, ranks, linkMbit }, plan)));
      for (const linkMbit of rates) rows.push(...(await measureExchanges({ rig, ranks, linkMbit }, plan)));
      const settings = ["float32", "bf16", "squinch", "bf16, sharded", "squinch, sharded"] as const;
      for (const linkMbit of rates)
        rows.push(...(await measureSteps({ rig, ranks, linkMbit }, settings, "4 x 1", plan)));
      return await ranks.ready;
    });
    const paired = await withRanks(rig, [2, 2], async (ranks) => {
      const settings = ["bf16", "squinch", "squinch, two levels"] as const;
      for (const linkMbit of rates)
        rows.push(...(await measureSteps({ rig, ranks, linkMbit }, settings, "2 x 2", plan)));
    });
    const together = await withRanks(rig, [4], async (ranks) => rows.push(...(await measureRaw(ranks, null, plan))));
    return {
      rows,
      summary: summarise(rows),
      peers: { ...spread.result, network: networkSettings },
      detachedCpuSeconds: spread.cpuSeconds + paired.cpuSeconds + together.cpuSeconds,
    };
  } finally {
    rig.close();
  }
};

async function withRanks<Result>(
  rig: NetworkRig,
  ranksPerHost: readonly number[],
  measure: (ranks: Ranks) => Promise<Result>,
): Promise<{ result: Result; cpuSeconds: number }> {
  const program = [childProgram("exchange-rank")];
  const { command, args, environment } = rig.launch({ ranksPerHost }, process.execPath, program);
  const ranks: Ranks = new LinePeer("the ranks", command, args, environment);
  try {
    await ranks.ready;
    const result = await measure(ranks);
    // The launcher's daemons leave this process's family, and the ranks with them.
    const { cpuSeconds = 0 } = await ranks.ask({ kind: "rest" });
    return { result, cpuSeconds };
  } finally {
    await ranks.close();
  }
}
