// Usage: node scripts/chat.mjs [--start] [--set path=value ...]
// Teaches the model of `npm start` to answer mails, and lets you talk to it: fine-tunes its newest run on the reply trees of
// a public mail corpus, and shows the loss on held-out answers before and after. With --start it trains a short run first
// where there is none. Anything else goes to `cai train`.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createJiti } from "jiti";
import { cai } from "./cai.mjs";
import { root, runMain, SetupError, setup } from "./setup.mjs";
import { start } from "./start.mjs";

const dataDir = join(".cache", "data", "chat");
const threadsPath = join(".cache", "data", "mail-threads.jsonl");
const shortStart = ["--set", "steps=240", "--set", "schedule.decaySteps=100"];
const interrupted = 130;
const question = "Has anybody got it to work with the new kernel?";

/** The newest run of the recipe `start` that has a checkpoint. */
function newestStart() {
  const runs = join(root, "runs");
  const names = existsSync(runs) ? readdirSync(runs) : [];
  const isStart = (name) => {
    const recipe = join(runs, name, "recipe.json");
    return existsSync(recipe) && JSON.parse(readFileSync(recipe, "utf8")).name === "start";
  };
  const hasCheckpoint = (name) => existsSync(join(runs, name, "checkpoints"));
  const age = (name) => statSync(join(runs, name, "checkpoints")).mtimeMs;
  const newest = names.filter((name) => isStart(name) && hasCheckpoint(name)).sort((a, b) => age(b) - age(a))[0];
  return newest && join("runs", newest);
}

/** Writes the mail threads, personal data stripped, one tree a line. */
async function writeThreads() {
  console.error("reading the mail threads, without personal data");
  const { mailThreads } = await createJiti(import.meta.url).import("../tools/corpora/src/index.ts");
  const lines = (await mailThreads()).map(({ turns }) => {
    const messages = turns.map(({ role, text }) => ({ role, content: text, replies: [] }));
    for (const [i, { parent }] of turns.entries()) messages[parent]?.replies.push(messages[i]);
    return `${JSON.stringify(messages[0])}\n`;
  });
  mkdirSync(join(root, ".cache", "data"), { recursive: true });
  writeFileSync(join(root, threadsPath), lines.join(""));
}

/** Runs a command that must succeed. @throws SetupError */
async function must(args, options) {
  const { status, output } = await cai(args, options);
  if (status === interrupted) process.exit(status);
  if (status !== 0) throw new SetupError(`cai ${args.slice(0, 2).join(" ")} ended with exit code ${status}.`);
  return output;
}

/** The loss on the answers of held-out threads. */
async function measure(run) {
  return JSON.parse(await must(["eval", run, "--data", dataDir, "--json"], { capture: true }));
}

await runMain(async () => {
  await setup();
  process.on("SIGINT", () => {});
  const args = process.argv.slice(2).filter((arg) => arg !== "--start");
  if (!newestStart() && process.argv.includes("--start")) process.exitCode = await start(shortStart);
  const base = newestStart();
  if (!base)
    throw new SetupError(
      "There is no run to go on from: `npm start` first, or a short one by `npm run chat -- --start`.",
    );

  await writeThreads();
  const conversations = ["--conversations", `mails=${threadsPath}`, "--val-fraction", "0.1"];
  await must(["prepare", ...conversations, "--tokenizer", base, "--out", dataDir]);
  const before = await measure(base);
  console.error(`${base} has a loss of ${before.loss.toFixed(4)} nats a token on the answers of held-out threads`);
  const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const named = args.indexOf("--run");
  const run = named < 0 ? join("runs", `chat-${stamp}`) : args[named + 1];
  await must(["train", "chat", "--from", base, "--data", dataDir, "--run", run, ...args]);
  const after = await measure(run);

  const row = (name, { loss, bitsPerByte }) =>
    `${name.padEnd(8)}${loss.toFixed(4).padStart(12)}  ${bitsPerByte.toFixed(4).padStart(13)}`;
  console.log(`\nanswers   nats a token  bits per byte\n${row("before", before)}\n${row("after", after)}\n`);
  if (process.stdin.isTTY && process.stdout.isTTY) process.exitCode = (await cai(["chat", run])).status;
  else {
    console.log(`> ${question}`);
    await must(["chat", run], { input: `${question}\n` });
    console.log(`\nTalk to it: npx cai chat ${run}`);
  }
});
