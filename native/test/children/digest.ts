// Prints the instruction set in use and what every op gives on its case.
import { backendInfo, setThreads } from "../../js/index.js";
import { arithmeticOps, outputOf, rawAddon } from "./op-cases.js";

setThreads(2);
const addon = rawAddon();
const outputs: Record<string, string> = {};
for (const name of arithmeticOps(addon)) {
  outputs[name] = Buffer.from(outputOf(addon, name).buffer).toString("base64");
}
console.log(JSON.stringify({ cpuTarget: backendInfo().cpuTarget, outputs }));
