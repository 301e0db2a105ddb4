// Usage: node scripts/setup.mjs [--browser]
// Brings a fresh clone to where everything runs: Debian packages, npm packages, the addon and the packages' builds.
// Each part is skipped when it is up to date. Full output goes to .cache/setup.log and is shown when a step fails.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { mpiIncludeFolder } from "../native/scripts/mpi-families.mjs";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const logPath = join(root, ".cache", "setup.log");
const slowMs = 2000;
const logLinesShown = 60;

/** A problem that its reader can mend; its message is all they need. */
export class SetupError extends Error {}

/** Turbo stays quiet: no telemetry, no update notice. */
export const turboEnv = { TURBO_TELEMETRY_DISABLED: "1", TURBO_NO_UPDATE_NOTIFIER: "1", DO_NOT_TRACK: "1" };

/**
 * Sets up whatever is missing or out of date.
 *
 * @param {{ browser?: boolean }} options browser: also Chromium, for the tests of pages
 * @throws SetupError when something is missing that only the reader can install, or a step fails
 */
export async function setup({ browser = false } = {}) {
  checkNode();
  mkdirSync(dirname(logPath), { recursive: true });
  writeFileSync(logPath, "");
  await installSystemPackages(browser);
  await installNpmPackages();
  await step("building the addon and the packages", localBin("turbo"), [
    "run",
    "build",
    "--output-logs=new-only",
    "--log-order=grouped",
  ]);
}

/** The path of a command that a development dependency brings. */
export function localBin(name) {
  return join(root, "node_modules", ".bin", name);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 17)) return;
  throw new SetupError(`Node 20.17 or later is needed, this is ${process.versions.node}: install a newer one.`);
}

const includeFolders = [
  ...(process.env.CPATH ?? "").split(delimiter).filter(Boolean),
  "/usr/include",
  "/usr/local/include",
];

/** What a build needs from the system: how to see that it is there, and the Debian package that brings it. */
const systemNeeds = [
  { debian: "g++", present: () => hasCommand(process.env.CXX ?? "g++") },
  { debian: "make", present: () => hasCommand("make") },
  { debian: "python3", present: () => hasCommand("python3") },
  {
    debian: "libhwy-dev",
    present: () => includeFolders.some((folder) => existsSync(join(folder, "hwy", "highway.h"))),
  },
  // Both families of MPI, for the communicator's two libraries and their tests.
  { debian: "openmpi-bin", present: () => hasCommand("mpirun.openmpi") },
  { debian: "libopenmpi-dev", present: () => mpiIncludeFolder("openmpi") !== undefined },
  { debian: "mpich", present: () => hasCommand("mpirun.mpich") },
  { debian: "libmpich-dev", present: () => mpiIncludeFolder("mpich") !== undefined },
];
const browserNeed = { debian: "chromium", present: () => hasCommand("chromium") || hasCommand("google-chrome") };

function hasCommand(name) {
  if (name.includes("/")) return existsSync(name);
  return (process.env.PATH ?? "").split(delimiter).some((folder) => folder && existsSync(join(folder, name)));
}

async function installSystemPackages(browser) {
  const needs = browser ? [...systemNeeds, browserNeed] : systemNeeds;
  const missing = () => needs.filter(({ present }) => !present()).map(({ debian }) => debian);
  const packages = missing();
  if (packages.length === 0) return;
  await installDebianPackages(packages);
  const stillMissing = missing();
  if (stillMissing.length > 0)
    throw new SetupError(`Not found even after their installation: ${stillMissing.join(" ")}.`);
}

/**
 * Installs Debian packages as root or through a sudo that asks for no password.
 *
 * @throws SetupError with the one command to type, when neither is at hand
 */
export async function installDebianPackages(packages) {
  const prefix = rootPrefix();
  if (prefix === undefined) {
    throw new SetupError(
      `Install first: ${packages.join(" ")} (Debian and Ubuntu: sudo apt-get update && sudo apt-get install -y ${packages.join(" ")}).`,
    );
  }
  mkdirSync(dirname(logPath), { recursive: true });
  const aptGet = (args) => {
    const command = [
      ...prefix,
      "env",
      "DEBIAN_FRONTEND=noninteractive",
      "apt-get",
      "-o",
      "DPkg::Lock::Timeout=300",
      ...args,
    ];
    return [command[0], command.slice(1)];
  };
  const install = aptGet(["install", "-y", "--no-install-recommends", ...packages]);
  const title = `installing ${packages.join(" ")}`;
  // The lists may be absent or out of date; an update takes a while, so only then.
  if (await succeeds(title, ...install)) return;
  await step("updating the package lists", ...aptGet(["update"]));
  await step(title, ...install);
}

/** The words before a command that make it run as root; undefined when it can't, or this is no Debian. */
function rootPrefix() {
  if (!hasCommand("apt-get")) return undefined;
  if (process.getuid?.() === 0) return [];
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n"] : undefined;
}

async function installNpmPackages() {
  const stampPath = join(root, "node_modules", ".setup-stamp");
  const lockfile = readFileSync(join(root, "package-lock.json"));
  const stamp = createHash("sha256").update(`${process.platform} ${process.arch}\n`).update(lockfile).digest("hex");
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return;
  await step("installing npm packages", "npm", ["ci", "--no-audit", "--no-fund", "--no-progress"]);
  writeFileSync(stampPath, stamp);
}

/**
 * Runs one command with its output in the log, says so when it takes a while, and shows the log's end when it fails.
 *
 * @throws SetupError when the command fails
 */
export async function step(title, command, args) {
  if (await succeeds(title, command, args)) return;
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n");
  throw new SetupError(`${lines.slice(-logLinesShown).join("\n")}\n\nFailed: ${title}. All of its output: ${logPath}`);
}

async function succeeds(title, command, args) {
  const start = performance.now();
  const log = createWriteStream(logPath, { flags: "a" });
  log.write(`\n$ ${command} ${args.join(" ")}\n`);
  let announced = false;
  const timer = setTimeout(() => {
    announced = true;
    console.error(`${title} ...`);
  }, slowMs);
  const status = await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...turboEnv },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.on("error", (error) => {
      log.write(`${error.message}\n`);
      resolve(-1);
    });
    child.on("close", resolve);
  });
  clearTimeout(timer);
  await new Promise((resolve) => log.end(resolve));
  if (announced && status === 0) console.error(`${title}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  return status === 0;
}

/** Runs a script's main function: a SetupError prints as its message alone, anything else with its stack. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runMain(() => setup({ browser: process.argv.includes("--browser") }));
}
