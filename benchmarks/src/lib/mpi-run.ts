import { spawn, spawnSync } from "node:child_process";
import { CaiError } from "@cai/native";
import { requireDebianPackages } from "./install.js";

/** A command that starts ranks. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Beside this process's own. */
  readonly environment: Readonly<Record<string, string>>;
}

interface Launcher {
  readonly command: string;
  readonly flags: readonly string[];
  readonly version: string;
}

/** What starts ranks here, with the flags that a container's root and more ranks than cores need. */
function findLauncher(): Launcher | undefined {
  for (const command of ["mpirun.openmpi", "mpirun"]) {
    const { stdout, status } = spawnSync(command, ["--version"], { encoding: "utf8" });
    if (status !== 0) continue;
    const version = stdout.split("\n", 1)[0]?.trim() ?? "unknown";
    const asRoot = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
    const isOpenMpi = /open mpi|openrte/i.test(stdout);
    return { command, flags: isOpenMpi ? ["--oversubscribe", "--bind-to", "none", ...asRoot] : [], version };
  }
  return undefined;
}

/** Makes sure that ranks can be started. @returns the launcher's name and version. */
export async function requireMpi(): Promise<string> {
  await requireDebianPackages(["openmpi-bin", "libopenmpi-dev"], () => findLauncher() !== undefined);
  return launcher().version;
}

function launcher(): Launcher {
  const found = findLauncher();
  if (found) return found;
  throw new CaiError("E_LOAD", "bench", "expected mpirun on the PATH, found none: apt-get install openmpi-bin");
}

/** Starts a Node program as several ranks on this machine. */
export function localLaunch(ranks: number, program: string, args: readonly string[]): Launch {
  const { command, flags } = launcher();
  return { command, args: [...flags, "-np", String(ranks), process.execPath, program, ...args], environment: {} };
}

/**
 * Runs ranks and waits for all of them.
 *
 * @returns what they printed as lines of JSON.
 * @throws CaiError `E_COMM` with what the ranks said when they end with anything but 0.
 */
export async function runRanks({ command, args, environment }: Launch): Promise<unknown[]> {
  const child = spawn(command, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let complaints = "";
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000);
  });
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (status !== 0) throw new CaiError("E_COMM", "bench", `${command} ended with ${status}:\n${complaints.trim()}`);
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as unknown);
}
