// Usage: node scripts/test.mjs [test file filters...]
// Sets up, then lint, types and all tests. The last line is "N passed, N failed"; lint and types count as one each.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { localBin, root, runMain, SetupError, setup, turboEnv } from "./setup.mjs";

const reportPath = join(root, ".cache", "vitest.json");
let passed = 0;
let failed = 0;

/** Runs a command with its output shown; true when it succeeds. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...turboEnv },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.on("error", (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.on("close", (status) => resolve(status === 0));
  });
}

/** Runs a check that counts as one test. */
async function check(title, command, args) {
  const start = performance.now();
  const succeeded = await run(command, args);
  console.log(`${succeeded ? "ok" : "FAILED"}  ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (succeeded) passed++;
  else failed++;
}

async function runVitest(filters) {
  mkdirSync(join(root, ".cache"), { recursive: true });
  rmSync(reportPath, { force: true });
  const succeeded = await run(localBin("vitest"), [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportPath}`,
    ...filters,
  ]);
  const counts = existsSync(reportPath)
    ? countTests(JSON.parse(readFileSync(reportPath, "utf8")))
    : { passed: 0, failed: 0 };
  passed += counts.passed;
  // A crash, an unhandled error or no test at all fails the run without failing a test.
  failed += counts.failed === 0 && !succeeded ? 1 : counts.failed;
}

/** A file that fails before its tests are known counts as one failure. */
function countTests({ numPassedTests, numFailedTests, testResults }) {
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && assertionResults.every((assertion) => assertion.status !== "failed"),
  );
  return { passed: numPassedTests, failed: numFailedTests + brokenFiles.length };
}

await runMain(async () => {
  try {
    await setup({ browser: true });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    failed++;
    return;
  }
  await check("lint", localBin("biome"), ["check", "."]);
  await check("unused code and dependencies", localBin("knip"), ["--no-config-hints"]);
  await check("types", localBin("turbo"), ["run", "typecheck", "--output-logs=errors-only"]);
  await runVitest(process.argv.slice(2));
});
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
