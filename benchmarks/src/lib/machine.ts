import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { backendInfo } from "@cai/native";

/** What the figures were taken on. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    simdTarget: backendInfo().cpuTarget ?? "none",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: operatingSystem(),
    node: process.version,
  };
}

function operatingSystem(): string {
  try {
    const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
    if (name) return `${name}, ${type()} ${release()}`;
  } catch {
    // No such file outside Linux: the kernel's name has to do.
  }
  return `${type()} ${release()}`;
}

/** The commit that is checked out, with "+changes" when tracked files differ from it; null outside a repository. */
export function currentCommit(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const changes = git("status", "--porcelain", "--untracked-files=no").trim();
    return git("rev-parse", "HEAD").trim() + (changes === "" ? "" : "+changes");
  } catch {
    return null;
  }
}

/** Linux tells programs of processor time in hundredths of a second, whatever its own clock. */
const ticksPerSecond = 100;

/**
 * Watches for company: the share of the machine's processor time that went to neither this process nor a child that it
 * has seen end, nor to programs of ours that are no children, as the watcher is told. Interrupts are nobody's. Null
 * where /proc does not tell.
 */
export function watchOthers(): (detachedCpuSeconds?: number) => number | null {
  const before = processorTicks();
  return (detachedCpuSeconds = 0) => {
    const after = processorTicks();
    if (!before || !after) return null;
    const elsewhere = after.busy - before.busy - (after.own - before.own) - detachedCpuSeconds * ticksPerSecond;
    return Math.max(0, elsewhere) / (after.total - before.total);
  };
}

/** Clock ticks of all processors since boot, and of this process with its children that have ended. */
function processorTicks(): { total: number; busy: number; own: number } | undefined {
  try {
    const all = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
    const total = all.reduce((sum, ticks) => sum + ticks, 0);
    const [idle = 0, waiting = 0, interrupts = 0, softInterrupts = 0] = all.slice(3, 7);
    // The name in parentheses may hold spaces; utime, stime, cutime and cstime are fields 14 to 17 of the whole line.
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)?.split(" ") ?? [];
    const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
    return { total, busy: total - idle - waiting - interrupts - softInterrupts, own };
  } catch {
    return undefined;
  }
}
