// Usage: mpirun ... node exchange-rank.js
// One rank of the squinch-network bench. Rank 0 reads a request a line and answers as lib/exchange-protocol.ts says; all
// ranks carry it out together.
import { createInterface } from "node:readline";
import { type Communicator, openMpi } from "@cai/native";
import type { ExchangeReply, ExchangeRequest } from "../lib/exchange-protocol.js";

// The ranks of one launch wait while those of another are measured.
const communicator = openMpi({ timeoutMs: 600_000 });

function broadcastText(text: string | undefined): string {
  const length = new Uint8Array(new Float64Array([text === undefined ? 0 : Buffer.byteLength(text)]).buffer);
  communicator.broadcast(length, 0).wait();
  const bytes = new Uint8Array(new Float64Array(length.buffer)[0] as number);
  if (text !== undefined) bytes.set(Buffer.from(text));
  communicator.broadcast(bytes, 0).wait();
  return Buffer.from(bytes).toString();
}

function carryOut(request: ExchangeRequest): ExchangeReply {
  switch (request.kind) {
    case "raw":
      return measureRaw(communicator, request.bytes, request.rounds);
  }
}

function measureRaw(comm: Communicator, bytes: number, rounds: number): ExchangeReply {
  const part = Math.ceil(bytes / comm.size);
  const send = new Uint8Array(part * comm.size).fill(comm.rank);
  const receive = new Uint8Array(send.length);
  return { timesMs: Array.from({ length: rounds }, () => timed(comm, () => comm.allToAll(send, receive).wait())) };
}

/** The slowest rank's time, from a common start. */
function timed(comm: Communicator, work: () => void): number {
  comm.barrier().wait();
  const start = performance.now();
  work();
  const mine = new Float64Array([performance.now() - start]);
  const all = new Float64Array(comm.size);
  comm.allGather(new Uint8Array(mine.buffer), new Uint8Array(all.buffer)).wait();
  return Math.max(...all);
}

if (communicator.rank === 0) {
  console.log(JSON.stringify({ ranks: communicator.size, localRanks: communicator.localRanks.length }));
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = carryOut(JSON.parse(broadcastText(line)) as ExchangeRequest);
    console.log(JSON.stringify(reply));
  }
  broadcastText("");
} else {
  for (let line = broadcastText(undefined); line !== ""; line = broadcastText(undefined)) {
    carryOut(JSON.parse(line) as ExchangeRequest);
  }
}
communicator.close();
