import { type Tensor, zeros } from "@cai/native";
import { newestGoodCheckpoint, saveCheckpoint } from "../../src/checkpoint/index.js";
import { resolveRecipe } from "../../src/config/index.js";
import { smoke } from "../../src/recipes/smoke.js";

/** Saves checkpoint after checkpoint into the run folder of its argument until it is killed, saying each done step. */
const run = process.argv[2] as string;
const recipe = resolveRecipe(smoke({ dataDir: "data" }));
const tensors = new Map<string, Tensor>([["w", zeros([256, 256])]]);
let step = (await newestGoodCheckpoint(run)).newest?.step ?? 0;
for (;;) {
  step++;
  const content = { step, tensors: { model: tensors, optimizer: tensors }, state: { step }, recipe, config: {} };
  await saveCheckpoint(run, content, { keep: 2 });
  process.stdout.write(`${step}\n`);
}
