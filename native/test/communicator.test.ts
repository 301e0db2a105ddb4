import { join } from "node:path";
import { installedFamilies, type RanksEnded, runRanks } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

let box: TemporaryPackage;
beforeAll(async () => {
  box = await temporaryPackage(["ranks"]);
});
afterAll(() => box.remove());

const titles = [
  "allToAll delivers part r to rank r",
  "allGather gives everybody everything",
  "reduceScatter adds in the order of ranks",
  "allReduce adds in the order of ranks",
  "broadcast copies from any root",
  "barrier waits for the last",
  "gathers and reduces in place",
  "takes shared memory and views that start anywhere",
  "a thousand small operations at once come out right",
  "communicators don't wait for each other's operations",
  "split groups by colour and numbers by key, then rank",
  "operations can be polled, waited for and awaited",
  "operations whose handles and buffers were dropped go on",
  "bytesSent counts what goes to others",
  "knows the ranks of this machine",
  "refuses arguments that don't fit, without harm",
  "leaves WebAssembly its traps",
  "can be opened once",
  "costs little while nothing is to be done",
  "closes",
];

const runs = [
  { family: "openmpi", size: 4 },
  { family: "mpich", size: 4 },
  { family: "mpich", size: 3 },
  { family: "openmpi", size: 1 },
] as const;

it("has both families at hand", () => expect(installedFamilies()).toEqual(["openmpi", "mpich"]));

describe.each(runs)("$size ranks of $family", ({ family, size }) => {
  let ended: RanksEnded;
  beforeAll(async () => {
    ended = await runRanks({ family, size, script: join(box.root, "dist", "ranks.js") });
  });

  it("end well", () => expect(ended).toMatchObject({ code: 0, signal: null, timedOut: false }));

  it.each(titles)("%s", (title) => {
    const records = ended.records.filter(({ check }) => check === title);
    records.sort((a, b) => Number(a.rank) - Number(b.rank));
    expect(records).toEqual(Array.from({ length: size }, (_, rank) => ({ check: title, rank })));
  });
});
