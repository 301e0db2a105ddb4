import { isCaiError } from "@cai/native";
import { Command, CommanderError } from "commander";
import { createConsola } from "consola";
import { chatCommand } from "./commands/chat.js";
import { evalCommand } from "./commands/eval.js";
import { generateCommand } from "./commands/generate.js";
import { infoCommand } from "./commands/info.js";
import { prepareCommand } from "./commands/prepare.js";
import { resumeCommand } from "./commands/resume.js";
import { trainCommand } from "./commands/train.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";

/** Words for people go to stderr: stdout carries what was asked for and nothing else. */
const words = createConsola({ stdout: process.stderr, stderr: process.stderr });

const commands = [prepareCommand, trainCommand, resumeCommand, evalCommand, generateCommand, chatCommand, infoCommand];

const exitCodeHelp = `
Exit codes: 0 done, 1 internal fault, 2 bad arguments or recipe, 3 bad file, 4 diverged, 5 no backend or memory,
6 lost another rank, 130 stopped by Ctrl-C (a checkpoint was saved).`;

/** Runs the command line and returns its exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  let code: number = exitCodes.ok;
  const finish = (result: number) => {
    code = result;
  };
  const program = new Command("cai")
    .description("Pretrain, fine-tune, evaluate and sample transformer language models, and talk to them.")
    .addHelpText("after", exitCodeHelp)
    .exitOverride();
  for (const command of commands) {
    program.addCommand(command(finish).exitOverride());
  }
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    words.error(isCaiError(error) ? error.message : error);
    return exitCodeOf(error);
  }
}
