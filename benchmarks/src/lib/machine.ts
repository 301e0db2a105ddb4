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
