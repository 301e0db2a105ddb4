import { join } from "node:path";
import { CaiError } from "@cai/native";
import { benchmarksFolder } from "./paths.js";

/** What a rig is made of: `hosts` network namespaces behind one bridge, or spread evenly behind two. */
export interface RigPlan {
  /** Begins the names of all namespaces, so that rigs do not meet. */
  readonly name: string;
  readonly hosts: number;
  /** With 2, the first half of the hosts and the second meet over a trunk between two bridges. Default 1. */
  readonly sites?: 1 | 2;
}

/** Rates in Mbit/s, each of both directions. */
export interface RigRates {
  /** Between each host and its bridge. */
  readonly linkMbit: number;
  /** Between the two bridges of a rig of two sites. */
  readonly trunkMbit?: number;
}

/** What the kernel counted on a host's link, its own side, with Ethernet, IP and TCP headers. */
export interface LinkCount {
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly drops: number;
}

export type Command = readonly [program: string, ...args: string[]];

export const launcher = "mpirun.openmpi";
const agent = join(benchmarksFolder, "src", "children", "namespace-agent.sh");
export const hostLink = "veth0";

/** Holds a whole segment of 64 KiB, as the kernel passes them on, and the wake-ups of the timer at 1 Gbit/s. */
const burst = "128kb";
/** How long a packet may wait before the link drops it. */
const queue = "50ms";

/** What figures from a rig were taken with. */
export const networkSettings = {
  shaping: `token bucket at both ends of every link, burst ${burst}, queue ${queue}`,
  congestionControl: "reno",
  transport: `${launcher}, TCP between hosts, shared memory inside one`,
};

export function hostName({ name }: RigPlan, host: number): string {
  return `${name}-${host + 1}`;
}

export function hostAddress(host: number): string {
  return `10.77.0.${host + 1}`;
}

function hubName({ name }: RigPlan): string {
  return `${name}-hub`;
}

export function hostsOf({ hosts }: RigPlan): number[] {
  return Array.from({ length: hosts }, (_, host) => host);
}

function bridgesOf({ sites = 1 }: RigPlan): number[] {
  return sites === 2 ? [0, 1] : [0];
}

/** All commands that make a rig, in order; its links still have no limit. */
export function buildCommands(plan: RigPlan): Command[] {
  const hub = hubName(plan);
  const inHub = (...args: string[]): Command => ["ip", "-n", hub, ...args];
  const bridges = bridgesOf(plan).flatMap((site): Command[] => [
    inHub("link", "add", `bridge${site}`, "type", "bridge"),
    inHub("link", "set", `bridge${site}`, "up"),
  ]);
  const trunk: Command[] =
    plan.sites === 2
      ? [
          inHub("link", "add", "trunk0", "type", "veth", "peer", "name", "trunk1"),
          inHub("link", "set", "trunk0", "master", "bridge0", "up"),
          inHub("link", "set", "trunk1", "master", "bridge1", "up"),
        ]
      : [];
  return [
    ["ip", "netns", "add", hub],
    inHub("link", "set", "lo", "up"),
    ...bridges,
    // The launcher runs here, so the daemons on the hosts need a way to it.
    inHub("addr", "add", "10.77.0.254/24", "dev", "bridge0"),
    ...trunk,
    ...hostsOf(plan).flatMap((host) => hostCommands(plan, host)),
  ];
}

function hostCommands(plan: RigPlan, host: number): Command[] {
  const [hub, namespace, port] = [hubName(plan), hostName(plan, host), `port${host}`];
  const site = Math.floor((host * bridgesOf(plan).length) / plan.hosts);
  return [
    ["ip", "netns", "add", namespace],
    ["ip", "link", "add", hostLink, "netns", namespace, "type", "veth", "peer", "name", port, "netns", hub],
    ["ip", "-n", hub, "link", "set", port, "master", `bridge${site}`, "up"],
    ["ip", "-n", namespace, "addr", "add", `${hostAddress(host)}/24`, "dev", hostLink],
    ["ip", "-n", namespace, "link", "set", "lo", "up"],
    ["ip", "-n", namespace, "link", "set", hostLink, "up"],
    // The one that every kernel lets a namespace choose; BBR, some hosts' default, leaves a tenth of the link unused.
    ["ip", "netns", "exec", namespace, "sh", "-c", "echo reno > /proc/sys/net/ipv4/tcp_congestion_control"],
  ];
}

/** Limits every link in both directions: at the host for what it sends, at the bridge for what it receives. */
export function shapeCommands(plan: RigPlan, { linkMbit, trunkMbit }: RigRates): Command[] {
  const hub = hubName(plan);
  const shape = (namespace: string, device: string, rate: number): Command => {
    const filter = ["tbf", "rate", `${rate}mbit`, "burst", burst, "latency", queue];
    return ["tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", ...filter];
  };
  const links = hostsOf(plan).flatMap((host) => [
    shape(hostName(plan, host), hostLink, linkMbit),
    shape(hub, `port${host}`, linkMbit),
  ]);
  if (plan.sites !== 2 || trunkMbit === undefined) return links;
  return [...links, shape(hub, "trunk0", trunkMbit), shape(hub, "trunk1", trunkMbit)];
}

/** Removes the namespaces, and with them every device and filter in them. */
export function removeCommands(plan: RigPlan): Command[] {
  return [...hostsOf(plan).map((host) => hostName(plan, host)), hubName(plan)].map((namespace) => [
    "ip",
    "netns",
    "del",
    namespace,
  ]);
}

/** How many ranks run on each host, and whether those of one host may share memory. */
export interface Placement {
  readonly ranksPerHost: readonly number[];
}

/** Starts a program once a rank, hosts in order. The daemons find their namespace by `CAI_RIG` in the environment. */
export function launchCommand(
  plan: RigPlan,
  { ranksPerHost }: Placement,
  program: string,
  args: readonly string[],
): Command {
  const hosts = ranksPerHost.map((ranks, host) => `${hostAddress(host)}:${ranks}`);
  const shared = ranksPerHost.some((ranks) => ranks > 1) ? "tcp,self,vader" : "tcp,self";
  const settings = {
    plm_rsh_agent: agent,
    // Only the launcher knows the way into every namespace.
    plm_rsh_no_tree_spawn: "1",
    btl: shared,
    btl_tcp_if_include: hostLink,
    oob_tcp_if_include: "10.77.0.0/24",
    // Every daemon believes that the machine's processors are its own.
    mpi_yield_when_idle: "1",
  };
  return [
    "ip",
    ...["netns", "exec", hubName(plan), launcher, "--allow-run-as-root"],
    // Else the daemons part from the launcher, and their ranks' processor time with them.
    "--leave-session-attached",
    ...["-np", String(ranksPerHost.reduce((sum, ranks) => sum + ranks, 0))],
    ...["--host", hosts.join(","), "--bind-to", "none"],
    ...Object.entries(settings).flatMap(([name, value]) => ["--mca", name, value]),
    ...[program, ...args],
  ];
}

/** Reads what `tc -j -s qdisc show dev ...` prints. @throws CaiError `E_FORMAT`. */
export function parseLinkCount(json: string): LinkCount {
  const [root] = JSON.parse(json) as { bytes?: number; packets?: number; drops?: number }[];
  const { bytes, packets, drops } = root ?? {};
  if (bytes === undefined || packets === undefined || drops === undefined)
    throw new CaiError("E_FORMAT", "network-rig", `expected counts of bytes, packets and drops from tc, got ${json}`);
  return { sentBytes: bytes, sentPackets: packets, drops };
}
