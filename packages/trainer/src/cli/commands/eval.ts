import { CaiError } from "@cai/native";
import { Command } from "commander";
import { evalBatches, type Split } from "../../data/index.js";
import { evaluate } from "../../evaluate.js";
import { loadModel, requireSameTokenizer } from "../../load-model.js";
import { columns, grouped, numberOption, print } from "../output.js";

interface Options {
  data?: string;
  split: string;
  batches?: number;
  json?: boolean;
}

export function evalCommand(): Command {
  return new Command("eval")
    .description("Measure a model's loss on the validation split, every token once.")
    .argument("<model>", "a run's folder (its newest checkpoint) or a checkpoint's folder")
    .option("--data <dir>", "another prepared directory than the one it was trained on")
    .option("--split <name>", "val or train", "val")
    .option("--batches <n>", "only about this many batches, spread over the split", numberOption("--batches"))
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample:\n  $ cai eval runs/start --json")
    .action(async (path: string, options: Options) => {
      const { checkpoint, trainer } = await loadModel(path);
      const dir = options.data ?? checkpoint.recipe.data.dir;
      requireSameTokenizer(checkpoint, dir);
      const { seqLen } = checkpoint.recipe.data;
      const { batchSize } = checkpoint.recipe;
      const split = splitOf(options.split);
      const some = options.batches === undefined ? {} : { maxBatches: options.batches };
      const result = evaluate(trainer, evalBatches({ dir, split, batchSize, seqLen, ...some }));
      print(options.json, { checkpoint: checkpoint.dir, step: checkpoint.step, split, ...result }, () =>
        columns([
          ["checkpoint", checkpoint.dir],
          ["loss", `${result.loss.toFixed(4)} nats a token`],
          ["bits per byte", result.bitsPerByte.toFixed(4)],
          ["tokens", grouped(result.tokens)],
          ["bytes", grouped(result.bytes)],
        ]),
      );
    });
}

function splitOf(name: string): Split {
  if (name === "val" || name === "train") return name;
  throw new CaiError("E_ARGUMENT", "eval", `--split: expected val or train, got ${JSON.stringify(name)}`);
}
