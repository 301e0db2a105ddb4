/*
 * Imported before the command line on every rank: tells its exit code, and makes one of them differ or fail.
 * RANK_FAULT is JSON: the rank, and
 *   argv: words more on its command line
 *   version: the version that it reads of @cai/trainer
 *   slowMs: how much longer it takes to open a file of a checkpoint
 *   act: what it does once the file or folder `after` exists (at once without): a signal to itself, or
 *     "exit"   its training thread ends
 *     "stuck"  its training thread stays in JavaScript, far beyond the timeout
 *     "unread" its training thread can read no file any more
 *     "block"  a file lies where the run keeps its checkpoints
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";

// A stopped process is killed after this time and a stuck one comes back, so that the launcher ends.
const stoppedS = 6;

const { RANK_FAULT, OMPI_COMM_WORLD_RANK, PMI_RANK } = process.env;
const fault = JSON.parse(RANK_FAULT ?? "{}");
const rank = Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK);
// Launchers tell the exit code of one rank at most.
if (isMainThread) process.on("exit", (code) => fs.writeSync(2, `rank ${rank} exits with ${code}\n`));
if (rank === fault.rank) {
  if (isMainThread) process.argv.push(...(fault.argv ?? []));
  else if (fault.version) replaceRead("packages/trainer/package.json", (text) => otherVersion(text, fault.version));
  else if (fault.slowMs) delayOpen(fault.slowMs);
  if (fault.act) watch();
}

function watch() {
  const inWorker = ["exit", "stuck", "unread"].includes(fault.act);
  if (inWorker === isMainThread) return;
  const timer = setInterval(() => {
    if (fault.after && !fs.existsSync(fault.after)) return;
    clearInterval(timer);
    act();
  }, 5);
  timer.unref();
}

function act() {
  if (fault.act === "SIGSTOP") killLater();
  if (fault.act.startsWith("SIG")) process.kill(process.pid, fault.act);
  else if (fault.act === "exit") process.exit(7);
  else if (fault.act === "stuck") pause(1000 * stoppedS);
  else if (fault.act === "unread") failReads();
  else if (fault.act === "block") fs.writeFileSync(join(dirname(fault.after), "checkpoints"), "");
}

function killLater() {
  spawn("sh", ["-c", `sleep ${stoppedS}; kill -KILL ${process.pid}`], { stdio: "ignore", detached: true }).unref();
}

function pause(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function otherVersion(text, version) {
  return JSON.stringify({ ...JSON.parse(text), version });
}

function replaceRead(ending, change) {
  const read = fs.readFileSync;
  fs.readFileSync = (path, ...options) => {
    const content = read(path, ...options);
    return String(path).endsWith(ending) ? change(content) : content;
  };
  syncBuiltinESMExports();
}

function failReads() {
  fs.readSync = () => {
    throw new Error("the disk is gone");
  };
  syncBuiltinESMExports();
}

function delayOpen(ms) {
  const open = fs.promises.open;
  fs.promises.open = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return await open(...args);
  };
  syncBuiltinESMExports();
}
