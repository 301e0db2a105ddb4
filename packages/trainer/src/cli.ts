#!/usr/bin/env node
import { exitCodes } from "./cli/exit-codes.js";
import { run } from "./cli/program.js";

process.exitCode = await run(process.argv);
// Threads of an MPI that has lost a rank may never end.
if (process.exitCode === exitCodes.rankLost) process.exit();
