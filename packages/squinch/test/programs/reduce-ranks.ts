import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openMpi } from "@cai/native";
import { randomFloats } from "@cai/test-utils";
import { createResidual, squinchAllReduce } from "../../src/index.js";

/** Reduces values of its own with all other ranks, twice, and writes what it then has to a folder. */
async function main(folder: string): Promise<void> {
  const comm = openMpi({ timeoutMs: 20_000 });
  const residual = createResidual(1003, comm);
  const results: number[][] = [];
  for (let step = 0; step < 2; step++) {
    const gradient = randomFloats(1003, 10 * step + comm.rank);
    await squinchAllReduce(gradient, comm, { scale: 1 / comm.size, residual });
    results.push([...gradient]);
  }
  writeFileSync(join(folder, `${comm.rank}.json`), JSON.stringify(results));
  comm.close();
}

await main(process.argv[2] as string);
