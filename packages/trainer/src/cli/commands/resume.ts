import { Command } from "commander";
import { runJob } from "../run-job.js";

interface Options {
  fallback?: boolean;
  json?: boolean;
}

export function resumeCommand(finish: (code: number) => void): Command {
  return new Command("resume")
    .description("Go on with a run from its newest checkpoint, as if it had never stopped.")
    .argument("<run>", "the run's folder")
    .option("--fallback", "use the newest good checkpoint when newer ones are damaged, instead of refusing")
    .option("--json", "print events and summary as JSON lines")
    .addHelpText(
      "after",
      "\nExamples:\n  $ cai resume runs/start-20260131-142233\n  $ mpirun -np 4 npx cai resume runs/start-20260131-142233",
    )
    .action(async (runDir: string, options: Options) => {
      const { fallback = false, json } = options;
      finish(await runJob(() => ({ kind: "resume", runDir, fallback }), json));
    });
}
