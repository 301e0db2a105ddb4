/*
 * Imported before the command line on every rank: makes one of them differ or fail. RANK_FAULT is JSON: the rank, and
 *   argv: words more on its command line
 *   version: the version that it reads of @cai/trainer
 *   slowMs: how much longer it takes to open a file of a checkpoint
 *   act: what it does once the file or folder `after` exists (at once without): a signal to itself, or
 *     "exit"   its training thread ends
 *     "stuck"  its training thread stays in JavaScript for ever
 *     "block"  a file lies where the run keeps its checkpoints
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";

const { RANK_FAULT, OMPI_COMM_WORLD_RANK, PMI_RANK } = process.env;
const fault = JSON.parse(RANK_FAULT ?? "{}");
if (Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK) === fault.rank) {
  if (isMainThread) process.argv.push(...(fault.argv ?? []));
  else if (fault.version) replaceRead("packages/trainer/package.json", (text) => otherVersion(text, fault.version));
  else if (fault.slowMs) delayOpen(fault.slowMs);
  if (fault.act) watch();
}

function watch() {
  const inWorker = ["exit", "stuck"].includes(fault.act);
  if (inWorker === isMainThread) return;
  const timer = setInterval(() => {
    if (fault.after && !fs.existsSync(fault.after)) return;
    clearInterval(timer);
    act();
  }, 5);
  timer.unref();
}

function act() {
  if (fault.act.startsWith("SIG")) process.kill(process.pid, fault.act);
  else if (fault.act === "exit") process.exit(7);
  else if (fault.act === "stuck") for (;;) pause(1000);
  else if (fault.act === "block") fs.writeFileSync(join(dirname(fault.after), "checkpoints"), "");
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

function delayOpen(ms) {
  const open = fs.promises.open;
  fs.promises.open = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return await open(...args);
  };
  syncBuiltinESMExports();
}
