import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import {
  buildCommands,
  type Command,
  hostLink,
  hostName,
  hostsOf,
  type LinkCount,
  launchCommand,
  launcher,
  type Placement,
  parseLinkCount,
  type RigPlan,
  type RigRates,
  removeCommands,
  shapeCommands,
} from "./rig-commands.js";

/** What keeps this process from making a rig, one reason each; empty when nothing does. */
export function missingForRig({ path = process.env.PATH ?? "", root = process.getuid?.() === 0 } = {}): string[] {
  const exists = (program: string) => path.split(":").some((folder) => existsSync(join(folder, program)));
  const packages = { ip: "iproute2", tc: "iproute2", unshare: "util-linux", [launcher]: "openmpi-bin" };
  const missing = Object.entries(packages).filter(([program]) => !exists(program));
  return [
    ...(process.platform === "linux" ? [] : [`Linux, got ${process.platform}`]),
    ...(root ? [] : ["to be root: network namespaces and tc need it"]),
    ...missing.map(([program, debian]) => `the program ${program}: apt-get install ${debian}`),
  ];
}

/** A small network on this machine, made of namespaces; it goes away with `close`, and when the process is ended. */
export class NetworkRig {
  readonly plan: RigPlan;
  #open = true;
  readonly #folder = mkdtempSync(join(tmpdir(), "cai-rig-"));
  readonly #onExit = () => this.close();
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.close();
    process.kill(process.pid, signal);
  };

  /** @throws CaiError `E_LOAD` that says what is missing. */
  constructor({ hosts, sites = 1 }: Omit<RigPlan, "name">) {
    const missing = missingForRig();
    if (missing.length > 0) {
      throw new CaiError("E_LOAD", "network-rig", `a rig of network namespaces needs ${missing.join("; ")}`);
    }
    rigCount += 1;
    this.plan = { name: `cai${process.pid}-${rigCount}`, hosts, sites };
    process.once("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, this.#onSignal);
    try {
      for (const command of buildCommands(this.plan)) run(command);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  shape(rates: RigRates): void {
    for (const command of shapeCommands(this.plan, rates)) run(command);
  }

  /** The command that starts `program` on the hosts, and the environment that it needs. */
  launch(placement: Placement, program: string, args: readonly string[]) {
    const [command, ...rest] = launchCommand(this.plan, placement, program, args);
    // A daemon that is killed leaves its temporary files behind: here they go with the rig.
    return { command, args: rest, environment: { CAI_RIG: this.plan.name, TMPDIR: this.#folder } };
  }

  /** What each host's link has sent since it was first shaped. */
  counts(): LinkCount[] {
    return hostsOf(this.plan).map((host) =>
      parseLinkCount(run(["tc", "-j", "-s", "-n", hostName(this.plan, host), "qdisc", "show", "dev", hostLink])),
    );
  }

  /** Ends what still runs in the rig's namespaces and removes them. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, this.#onSignal);
    for (const [program, ...args] of removeCommands(this.plan)) {
      const namespace = args.at(-1) as string;
      const { stdout } = spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" });
      for (const pid of (stdout ?? "").split("\n").map(Number).filter(Boolean)) end(pid);
      // One that was never made, since an earlier command failed, is no matter.
      spawnSync(program, args, { stdio: "ignore" });
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

let rigCount = 0;

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

function run([program, ...args]: Command): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim() || String(cause);
    throw new CaiError("E_IO", "network-rig", `${program} ${args.join(" ")} failed: ${said}`, { cause });
  }
}
