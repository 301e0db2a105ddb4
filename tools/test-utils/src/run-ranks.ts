import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** An MPI implementation that the tests know. */
export type MpiFamily = "openmpi" | "mpich";

export interface RunRanksOptions {
  family: MpiFamily;
  /** How many processes. */
  size: number;
  /** A JavaScript file that Node runs in each. */
  script: string;
  args?: readonly string[];
  /** Added to this process's environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Ends all processes after this time. Default 30 s. */
  timeoutMs?: number;
  /** Lets the other ranks go on when one dies, as the launcher allows. Default true. */
  keepSurvivors?: boolean;
  /** Further words for the launcher. */
  launcherArgs?: readonly string[];
}

export interface RanksEnded {
  /** The launcher's exit code: which rank's it is, and whether any, depends on the family. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What all ranks printed, mixed. */
  stdout: string;
  /** The lines of `stdout` that are JSON objects, in the order of arrival. */
  records: Record<string, unknown>[];
  stderr: string;
  ms: number;
  /** Whether the time ran out. */
  timedOut: boolean;
}

const launchers: Record<MpiFamily, readonly string[]> = {
  openmpi: ["mpirun.openmpi", "mpirun"],
  mpich: ["mpirun.mpich", "mpiexec.hydra"],
};

interface Settings {
  always: readonly string[];
  /** Words for the launcher, and words before Node, that let ranks go on when another dies. */
  survivors: readonly string[];
  shell: readonly string[];
  env: Record<string, string>;
}

const settings: Record<MpiFamily, Settings> = {
  // A container runs as root, has no ssh, and seldom lets a process read another's memory.
  openmpi: {
    always: ["--allow-run-as-root", "--oversubscribe", "--mca", "plm_rsh_agent", "/bin/false"],
    survivors: ["--enable-recovery"],
    shell: [],
    env: { OMPI_MCA_btl_vader_single_copy_mechanism: "none" },
  },
  // Hydra kills all ranks when it sees one die by a signal, so a shell hides that; and it tells the others by SIGUSR1.
  mpich: {
    always: [],
    survivors: ["-disable-auto-cleanup"],
    shell: ["sh", "-c", 'trap "" USR1; "$@"; exit $?', "sh"],
    env: {},
  },
};

/** The path of a family's launcher; undefined where it isn't installed. */
export function launcherOf(family: MpiFamily): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const paths = launchers[family].flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => existsSync(path));
}

/** The families whose launchers are installed. */
export function installedFamilies(): MpiFamily[] {
  return (Object.keys(launchers) as MpiFamily[]).filter((family) => launcherOf(family) !== undefined);
}

/** Runs a program on several ranks of this machine until all have ended; never leaves a process behind. */
export async function runRanks(options: RunRanksOptions): Promise<RanksEnded> {
  const { family, size, script, args = [], env = {}, timeoutMs = 30_000, keepSurvivors = true } = options;
  const launcher = launcherOf(family);
  if (!launcher) throw new Error(`the launcher of ${family} is not installed: npm run setup`);
  const { always, survivors, shell, env: own } = settings[family];
  const words = [...always, ...(keepSurvivors ? survivors : []), ...(options.launcherArgs ?? [])];
  const started = performance.now();
  const program = [...(keepSurvivors ? shell : []), process.execPath, script, ...args];
  const child = spawn(launcher, [...words, "-np", String(size), ...program], {
    env: { ...process.env, ...own, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = endAfter(child, timeoutMs);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve([code, signal]));
  }).finally(() => timer.clear());
  const ms = performance.now() - started;
  const text = stdout();
  return { code, signal, stdout: text, records: recordsOf(text), stderr: stderr(), ms, timedOut: timer.expired() };
}

/** The launcher ends its ranks on SIGTERM; one that doesn't is killed, and its ranks notice. */
function endAfter(child: ChildProcess, timeoutMs: number) {
  let expired = false;
  let force: NodeJS.Timeout | undefined;
  const polite = setTimeout(() => {
    expired = true;
    child.kill("SIGTERM");
    force = setTimeout(() => child.kill("SIGKILL"), 5000);
  }, timeoutMs);
  const clear = () => {
    clearTimeout(polite);
    clearTimeout(force);
  };
  return { clear, expired: () => expired };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (data) => {
    text += data;
  });
  return () => text;
}

function recordsOf(text: string): Record<string, unknown>[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value = JSON.parse(line);
      return typeof value === "object" && value !== null ? [value] : [];
    } catch {
      return [];
    }
  });
}
