// The command line of @cai/trainer, as it is built here, for other scripts.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup.mjs";

/**
 * Runs a command of `cai` in this terminal. Ctrl-C reaches it too, and it decides when to end.
 *
 * @param {{ input?: string, capture?: boolean }} options input: what it reads, instead of this terminal; capture: returns
 *   what it writes to stdout instead of showing it
 * @returns its exit code and, captured, its output
 */
export function cai(args, { input, capture = false } = {}) {
  const program = join(root, "packages", "trainer", "dist", "cli.js");
  const stdio = [input === undefined ? "inherit" : "pipe", capture ? "pipe" : "inherit", "inherit"];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio });
    let output = "";
    child.stdout?.on("data", (bytes) => {
      output += bytes;
    });
    child.stdin?.end(input);
    child.on("error", reject);
    child.on("close", (status) => resolve({ status: status ?? 1, output }));
  });
}
