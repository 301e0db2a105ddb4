import { describe, expect, it } from "vitest";
import { missingForRig } from "../src/lib/network-rig.js";
import {
  buildCommands,
  launchCommand,
  parseLinkCount,
  type RigPlan,
  removeCommands,
  shapeCommands,
} from "../src/lib/rig-commands.js";

const plan: RigPlan = { name: "rig1", hosts: 4 };
const lines = (commands: readonly (readonly string[])[]) => commands.map((command) => command.join(" "));

describe("a rig", () => {
  it("makes a namespace a host, each with a link to a bridge in a namespace of its own", () => {
    const commands = lines(buildCommands(plan));
    expect(commands.filter((line) => line.startsWith("ip netns add"))).toEqual([
      "ip netns add rig1-hub",
      ...[1, 2, 3, 4].map((host) => `ip netns add rig1-${host}`),
    ]);
    expect(commands).toContain("ip link add veth0 netns rig1-3 type veth peer name port2 netns rig1-hub");
    expect(commands).toContain("ip -n rig1-hub link set port2 master bridge0 up");
    expect(commands).toContain("ip -n rig1-3 addr add 10.77.0.3/24 dev veth0");
  });

  it("touches no device outside its namespaces", () => {
    const commands = [...buildCommands(plan), ...shapeCommands(plan, { linkMbit: 250 }), ...removeCommands(plan)];
    for (const command of commands) expect(command.filter((word) => /^rig1-(hub|[1-4])$/.test(word))).not.toEqual([]);
  });

  it("spreads the hosts over two bridges and joins those where there are two sites", () => {
    const commands = lines(buildCommands({ ...plan, sites: 2 }));
    expect([0, 1, 2, 3].map((port) => commands.find((line) => line.includes(`set port${port} `))?.at(-4))).toEqual([
      "0",
      "0",
      "1",
      "1",
    ]);
    expect(commands).toContain("ip -n rig1-hub link add trunk0 type veth peer name trunk1");
  });

  it("limits each link at both ends, and the trunk where there is one", () => {
    const filter = "root tbf rate 250mbit burst 128kb latency 50ms";
    const commands = lines(shapeCommands(plan, { linkMbit: 250, trunkMbit: 10 }));
    expect(commands).toHaveLength(8);
    expect(commands).toContain(`tc -n rig1-2 qdisc replace dev veth0 ${filter}`);
    expect(commands).toContain(`tc -n rig1-hub qdisc replace dev port1 ${filter}`);
    const twoSites = lines(shapeCommands({ ...plan, sites: 2 }, { linkMbit: 250, trunkMbit: 10 }));
    expect(twoSites.filter((line) => line.includes("rate 10mbit")).map((line) => line.split(" ")[6])).toEqual([
      "trunk0",
      "trunk1",
    ]);
  });

  it("removes exactly the namespaces that it made", () => {
    const made = lines(buildCommands(plan)).filter((line) => line.startsWith("ip netns add"));
    const removed = lines(removeCommands(plan)).map((line) => line.replace(" del ", " add "));
    expect(removed.toSorted()).toEqual(made.toSorted());
  });
});

describe("launching", () => {
  it("starts one rank a host by way of the agent, over TCP alone", () => {
    const command = launchCommand(plan, { ranksPerHost: [1, 1, 1, 1] }, "node", ["rank.js"]).join(" ");
    expect(command).toMatch(
      /^ip netns exec rig1-hub mpirun.openmpi --allow-run-as-root --leave-session-attached -np 4 /,
    );
    expect(command).toContain("--host 10.77.0.1:1,10.77.0.2:1,10.77.0.3:1,10.77.0.4:1 ");
    expect(command).toMatch(/--mca plm_rsh_agent \/\S*namespace-agent\.sh /);
    expect(command).toContain("--mca btl tcp,self ");
    expect(command).toMatch(/ node rank\.js$/);
  });

  it("lets ranks of one host share memory", () => {
    const command = launchCommand(plan, { ranksPerHost: [2, 2] }, "node", []).join(" ");
    expect(command).toContain("-np 4 --host 10.77.0.1:2,10.77.0.2:2 ");
    expect(command).toContain("--mca btl tcp,self,vader ");
  });
});

describe("what a rig needs", () => {
  it("is told in full, with what to type", () => {
    const missing = missingForRig({ path: "/nowhere", root: false });
    expect(missing.join("\n")).toMatch(/to be root/);
    expect(missing.join("\n")).toMatch(/the program tc: apt-get install iproute2/);
    expect(missing.join("\n")).toMatch(/the program mpirun\.openmpi: apt-get install openmpi-bin/);
  });
});

describe("a link's counts", () => {
  it("are those of its root filter", () => {
    const json = '[{"kind":"tbf","handle":"8001:","root":true,"bytes":1528,"packets":12,"drops":3,"overlimits":9}]';
    expect(parseLinkCount(json)).toEqual({ sentBytes: 1528, sentPackets: 12, drops: 3 });
  });

  it("must be there", () => {
    expect(() => parseLinkCount("[]")).toThrow("expected counts of bytes, packets and drops from tc, got []");
  });
});
