// What the operations of a communicator give on every rank. Prints one JSON record a check: { check, rank, problem? }.
import assert from "node:assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Communicator, isCaiError, openMpi, type Pending } from "../../js/index.js";

const world = openMpi({ timeoutMs: 20_000, heartbeatMs: 200 });
const { rank, size } = world;
const ranks = Array.from({ length: size }, (_, r) => r);

/** Rank r's values, of sizes so different that the order of a sum shows. */
function values(r: number, n: number, seed = 0): Float32Array {
  const out = new Float32Array(n);
  let state = 1 + r + 1000 * seed;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    out[i] = (state >> 8) * (i % 3 === r % 3 ? 1 : 1e-5);
  }
  return out;
}

const bytes = (r: number, n: number) => Uint8Array.from({ length: n }, (_, i) => 37 * r + i);

/** Σ over ranks in their order, each addition rounded to float32. */
function sum(parts: Float32Array[]): Float32Array {
  const total = (parts[0] as Float32Array).slice();
  for (const part of parts.slice(1)) {
    for (let i = 0; i < total.length; i++) total[i] = Math.fround((total[i] as number) + (part[i] as number));
  }
  return total;
}

/** The same bits, wherever they lie. */
function same(actual: Float32Array | Uint8Array, expected: Float32Array | Uint8Array): void {
  assert.strictEqual(actual.length, expected.length);
  const [a, e] = [actual, expected].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength));
  assert.ok((a as Buffer).equals(e as Buffer), "other values came");
}

function concat(parts: Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const part = (array: Float32Array, r: number, n: number) => array.subarray(r * n, (r + 1) * n);

// Nothing, less than a message, and more than the messages that are on their way at a time.
const sizes = [0, 1, 3, 1021, 1_300_003];

function refused(code: string, text: string | RegExp, body: () => unknown): void {
  assert.throws(body, (error) => isCaiError(error) && error.code === code && error.message.match(text) !== null);
}

/** What Node has and its types don't. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: { f: () => number } };
  RuntimeError: ErrorConstructor;
}

const checks: Record<string, () => void | Promise<void>> = {
  "allToAll delivers part r to rank r": () => {
    for (const n of sizes) {
      const receive = new Float32Array(size * n);
      world.allToAll(values(rank, size * n), receive).wait();
      same(receive, concat(ranks.map((r) => part(values(r, size * n), rank, n))));
    }
    const receive = new Uint8Array(size * 5);
    world.allToAll(bytes(rank, size * 5), receive).wait();
    same(receive, Buffer.concat(ranks.map((r) => bytes(r, size * 5).subarray(rank * 5, rank * 5 + 5))));
  },
  "allGather gives everybody everything": () => {
    for (const n of sizes) {
      const receive = new Float32Array(size * n);
      world.allGather(values(rank, n), receive).wait();
      same(receive, concat(ranks.map((r) => values(r, n))));
    }
    const receive = new Uint8Array(size * 7);
    world.allGather(bytes(rank, 7), receive).wait();
    same(receive, Buffer.concat(ranks.map((r) => bytes(r, 7))));
  },
  "reduceScatter adds in the order of ranks": () => {
    for (const n of sizes) {
      const receive = new Float32Array(n);
      world.reduceScatter(values(rank, size * n), receive).wait();
      same(receive, sum(ranks.map((r) => part(values(r, size * n), rank, n))));
    }
  },
  "allReduce adds in the order of ranks": () => {
    // The last is more than is summed at a time.
    for (const n of [...sizes, 4097, 4_194_311]) {
      const buffer = values(rank, n);
      world.allReduce(buffer).wait();
      same(buffer, sum(ranks.map((r) => values(r, n))));
    }
  },
  "broadcast copies from any root": () => {
    for (const n of sizes) {
      for (const root of ranks) {
        const buffer = values(rank, n, 1);
        world.broadcast(buffer, root).wait();
        same(buffer, values(root, n, 1));
      }
    }
    const buffer = bytes(rank, 9);
    world.broadcast(buffer, size - 1).wait();
    same(buffer, bytes(size - 1, 9));
  },
  "barrier waits for the last": () => {
    const start = performance.now();
    if (rank === size - 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    world.barrier().wait();
    assert.ok(performance.now() - start > 100);
  },
  "gathers and reduces in place": () => {
    const all = new Float32Array(size * 11);
    part(all, rank, 11).set(values(rank, 11));
    world.allGather(part(all, rank, 11), all).wait();
    same(all, concat(ranks.map((r) => values(r, 11))));
    const send = values(rank, size * 11, 2);
    world.reduceScatter(send, part(send, rank, 11)).wait();
    same(part(send, rank, 11), sum(ranks.map((r) => part(values(r, size * 11, 2), rank, 11))));
  },
  "takes shared memory and views that start anywhere": () => {
    const buffer = new Float32Array(new SharedArrayBuffer(404), 4, 100);
    buffer.set(values(rank, 100));
    world.allReduce(buffer).wait();
    same(buffer, sum(ranks.map((r) => values(r, 100))));
    const odd = new Uint8Array(64).subarray(3, 40);
    odd.set(bytes(rank, 37));
    world.broadcast(odd, 0).wait();
    same(odd, bytes(0, 37));
  },
  "a thousand small operations at once come out right": () => {
    const buffers = Array.from({ length: 1000 }, (_, i) => Float32Array.of(rank + i, 1));
    const pending = buffers.map((buffer) => world.allReduce(buffer));
    for (const operation of pending.reverse()) operation.wait();
    const total = (size * (size - 1)) / 2;
    for (const [i, buffer] of buffers.entries()) assert.deepStrictEqual([...buffer], [total + size * i, size]);
  },
  "communicators don't wait for each other's operations": async () => {
    const [a, b] = [world.duplicate(), world.duplicate()];
    const start = (comm: Communicator, seed: number) => {
      const buffer = values(rank, 50_000, seed);
      return { buffer, seed, pending: comm.allReduce(buffer) };
    };
    // Even ranks begin with one, odd ranks with the other.
    const order = rank % 2 === 0 ? [a, b] : [b, a];
    const begun = order.flatMap((comm) => {
      return Array.from({ length: 10 }, (_, i) => start(comm, (comm === a ? 10 : 30) + i));
    });
    await Promise.all(begun.map(({ pending }) => pending));
    for (const { buffer, seed } of begun) same(buffer, sum(ranks.map((r) => values(r, 50_000, seed))));
    a.close();
    b.close();
    refused("E_COMM", "closed", () => a.barrier());
  },
  "split groups by colour and numbers by key, then rank": () => {
    const half = world.split(rank % 2, -rank);
    const members = ranks.filter((r) => r % 2 === rank % 2).reverse();
    assert.deepStrictEqual([half.size, half.rank], [members.length, members.indexOf(rank)]);
    const all = new Float32Array(half.size * 3);
    half.allGather(values(rank, 3), all).wait();
    same(all, concat(members.map((r) => values(r, 3))));
    assert.deepStrictEqual(half.localRanks, [...members.keys()]);
    const same3 = world.split(7, 0);
    assert.deepStrictEqual([same3.size, same3.rank], [size, rank]);
    const twice = half.duplicate().split(0, 0);
    const buffer = Float32Array.of(1);
    twice.allReduce(buffer).wait();
    assert.strictEqual(buffer[0], members.length);
  },
  "operations can be polled, waited for and awaited": async () => {
    const polled = Float32Array.of(1);
    const pending = world.allReduce(polled);
    while (!pending.done) await new Promise((resolve) => setImmediate(resolve));
    assert.strictEqual(polled[0], size);
    assert.ok(pending.done);
    pending.wait();
    await pending;
    const forms: Pending[] = [world.barrier(), world.allReduce(polled), world.barrier()];
    const order: number[] = [];
    await Promise.all(forms.map((form, i) => form.then(() => order.push(i))));
    assert.deepStrictEqual(order.sort(), [0, 1, 2]);
    assert.strictEqual(await forms[1]?.then(() => "a value"), "a value");
  },
  "operations whose handles and buffers were dropped go on": () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let i = 0; i < 50; i++) {
      world.allReduce(new Float32Array(200_000));
      world.allToAll(new Uint8Array(size * 100_000), new Uint8Array(size * 100_000));
      if (i % 10 === 0) collect();
    }
    collect();
    world.barrier().wait();
  },
  "bytesSent counts what goes to others": () => {
    const comm = world.duplicate();
    assert.strictEqual(comm.bytesSent, 0);
    comm.allToAll(new Uint8Array(size * 10), new Uint8Array(size * 10)).wait();
    assert.strictEqual(comm.bytesSent, (size - 1) * 10);
    comm.allGather(new Float32Array(5), new Float32Array(size * 5)).wait();
    assert.strictEqual(comm.bytesSent, (size - 1) * 30);
  },
  "knows the ranks of this machine": () => assert.deepStrictEqual(world.localRanks, ranks),
  "refuses arguments that don't fit, without harm": () => {
    const f = (n: number) => new Float32Array(n);
    const buffer = f(size * 4);
    const anything = (value: unknown) => value as Float32Array;
    refused("E_SHAPE", "allToAll: receive must have 8 bytes", () => world.allToAll(f(2), f(3)));
    refused("E_SHAPE", "allGather: receive must have", () => world.allGather(f(2), f(size * 2 + 1)));
    refused("E_SHAPE", "reduceScatter: receive must have", () => world.reduceScatter(f(size), f(2)));
    refused("E_ARGUMENT", "of one type", () => world.allToAll(anything(new Uint8Array(size)), f(size)));
    refused("E_ARGUMENT", "must be a Float32Array, got", () => world.allReduce(anything(new Uint8Array(4))));
    refused("E_ARGUMENT", "must be a Float32Array or a Uint8Array, got another typed array", () =>
      world.broadcast(anything(new Float64Array(4)), 0),
    );
    refused("E_ARGUMENT", "got an array of length 1", () => world.broadcast(anything([1]), 0));
    refused("E_ARGUMENT", `root must be an integer from 0 to ${size - 1}, got the number ${size}`, () =>
      world.broadcast(buffer, size),
    );
    refused("E_ARGUMENT", "must not overlap", () => world.allToAll(buffer, buffer));
    if (size > 1) {
      refused("E_SHAPE", `allToAll: send must have one equal part a rank, got ${size + 1} values`, () =>
        world.allToAll(f(size + 1), f(size + 1)),
      );
      refused("E_ARGUMENT", "or lie outside it", () => world.allGather(buffer.subarray(1, 5), buffer));
    }
    const shrinking = new Float32Array(Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]));
    refused("E_ARGUMENT", "must not be resizable", () => world.allReduce(shrinking));
    refused("E_ARGUMENT", "color must be", () => world.split(-1, 0));
    world.barrier().wait();
  },
  "leaves WebAssembly its traps": () => {
    // (module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 0x7ffffff0))))
    const module = Buffer.from("AGFzbQEAAAABBQFgAAF/AwIBAAUDAQABBwUBAWYAAAoNAQsAQfD///8HKAIACw==", "base64");
    const { Module, Instance, RuntimeError } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
    assert.throws(new Instance(new Module(module)).exports.f, RuntimeError);
  },
  "can be opened once": () => refused("E_COMM", "started before in this process", () => openMpi()),
  "costs little while nothing is to be done": async () => {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 50_000, `${user + system} µs in 500 ms`);
  },
};

for (const [check, body] of Object.entries(checks)) {
  let problem: string | undefined;
  try {
    await body();
  } catch (error) {
    problem = String(error);
  }
  console.log(JSON.stringify({ check, rank, ...(problem && { problem }) }));
}
world.close();
console.log(JSON.stringify({ check: "closes", rank }));
