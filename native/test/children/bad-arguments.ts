// Calls every op with one thing wrong, or everything. Usage: <seed> <calls for each op>. A crash is seen by the parent.
import fc from "fast-check";
import { isCaiError, zeros } from "../../js/index.js";
import { opCases, rawAddon } from "./op-cases.js";

type Path = readonly PropertyKey[];
type Holder = Record<PropertyKey, unknown>;

const addon = rawAddon();
const seed = Number(process.argv[2]);
const numRuns = Number(process.argv[3]);

const isHolder = (value: unknown): value is Holder => typeof value === "object" && value !== null;
const isArrayBuffer = (value: unknown): value is ArrayBuffer => value instanceof ArrayBuffer;

/** Every place in a list of arguments that can be put wrong: the arguments, fields, sizes and strides. */
function placesIn(value: unknown, path: Path = []): Path[] {
  if (!isHolder(value) || ArrayBuffer.isView(value)) return [path];
  const keys = Object.keys(value);
  const fields = "data" in value && !keys.includes("strides") ? [...keys, "strides"] : keys;
  return [path, ...fields.flatMap((key) => placesIn(value[key], [...path, key]))];
}

function holderOf(args: unknown[], path: Path): Holder {
  return path.slice(0, -1).reduce<Holder>((holder, key) => holder[key] as Holder, args as unknown as Holder);
}

/** The buffers of all arrays among the arguments. */
function buffersIn(value: unknown): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) return isArrayBuffer(value.buffer) ? [value.buffer] : [];
  return isHolder(value) && !(value instanceof SharedArrayBuffer) ? Object.values(value).flatMap(buffersIn) : [];
}

function detachAll(args: unknown[]): void {
  for (const buffer of new Set(buffersIn(args))) {
    if ("resizable" in buffer && buffer.resizable) (buffer as unknown as { resize(size: number): void }).resize(0);
    else structuredClone(buffer, { transfer: [buffer] });
  }
}

/** Overwrites indices, so that they point anywhere. */
function scribble(value: unknown): void {
  if (value instanceof Int32Array) value.fill(0x7fffff00);
  else if (isHolder(value) && !ArrayBuffer.isView(value)) Object.values(value).forEach(scribble);
}

/** Puts every array on memory that can shrink. */
function makeResizable(value: unknown, tracking: boolean): void {
  if (!isHolder(value) || ArrayBuffer.isView(value)) return;
  for (const [key, item] of Object.entries(value)) {
    if (item instanceof Float32Array || item instanceof Int32Array || item instanceof Uint16Array) {
      const Resizable = ArrayBuffer as unknown as new (size: number, options: { maxByteLength: number }) => ArrayBuffer;
      const buffer = new Resizable(item.byteLength, { maxByteLength: item.byteLength + 4096 });
      const Type = item.constructor as new (buffer: ArrayBuffer, offset: number, length?: number) => Float32Array;
      const copy = tracking ? new Type(buffer, 0) : new Type(buffer, 0, item.length);
      copy.set(item as Float32Array);
      value[key] = copy;
    } else {
      makeResizable(item, tracking);
    }
  }
}

const hostileNumber = fc.constantFrom(
  Number.NaN,
  Infinity,
  -Infinity,
  -1,
  -0,
  0,
  0.5,
  1,
  2,
  3,
  64,
  65,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 60,
  1e300,
  1e-320,
);
const throwing = () => {
  throw new TypeError("from a trap");
};
const plain = fc.oneof(
  hostileNumber,
  fc.array(hostileNumber, { maxLength: 7 }),
  fc.anything({
    withBigInt: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
    withDate: true,
  }),
  fc.constantFrom("cpu", "cuda", "float32", "bfloat16", "int32", "x".repeat(10_000), "\ud800", "float32\0"),
);
// Made late, because fast-check itself looks into the values that it draws.
const hostile: fc.Arbitrary<() => unknown> = fc.oneof(
  plain.map((value) => () => value),
  fc.constantFrom<() => unknown>(
    () => undefined,
    () => null,
    () => Symbol("s"),
    () => throwing,
    () => new Proxy({}, { get: throwing, has: throwing, ownKeys: throwing }),
    () => new Proxy([1, 2], {}),
    () => new Proxy(zeros([2]), { get: (target, key) => Reflect.get(target, key) }),
    () => Object.create(null, { length: { get: throwing } }),
    () => new Float32Array(new SharedArrayBuffer(64)),
    () => new DataView(new ArrayBuffer(8)),
    () => new Float64Array(3),
    () => new BigInt64Array(3),
    () => Object.assign([], { length: 2 ** 32 - 1 }),
    () => [zeros([3]), zeros([0]), zeros([2, 2])],
    () => zeros([2, 2]),
    () => ({ ...zeros([4]), strides: [0] }),
    () => ({ ...zeros([4]), shape: [2, 2], strides: [1, 1] }),
    () => ({ ...zeros([4]), shape: [2 ** 52, 0] }),
    () => ({ ...zeros([4]), shape: [2 ** 52, 2 ** 52], strides: [2 ** 52, 2 ** 52] }),
  ),
);

type Change = (args: unknown[], path: Path) => void;

const changes: fc.Arbitrary<Change> = fc.oneof(
  hostile.map(
    (make): Change =>
      (args, path) => {
        if (path.length > 0) holderOf(args, path)[path.at(-1) as PropertyKey] = make();
      },
  ),
  // Something that happens while the property is read, with the right value or an exception as its end.
  fc
    .constantFrom<(args: unknown[]) => void>(detachAll, scribble, () => globalThis.gc?.(), throwing)
    .map(
      (happens): Change =>
        (args, path) => {
          if (path.length < 2) return;
          const [holder, key] = [holderOf(args, path), path.at(-1) as PropertyKey];
          const value = holder[key];
          let done = false;
          const get = () => {
            if (!done) {
              done = true;
              happens(args);
            }
            return value;
          };
          Object.defineProperty(holder, key, { get, configurable: true, enumerable: true });
        },
    ),
  fc.boolean().map(
    (tracking): Change =>
      (args) =>
        makeResizable(args, tracking),
  ),
  fc.constantFrom<Change>(
    (args) => detachAll(args),
    (args) => scribble(args),
  ),
  fc.nat(3).map(
    (count): Change =>
      (args) => {
        args.length = count;
      },
  ),
);

function attempt(name: string, args: unknown[]): void {
  try {
    (addon[name] as (...args: unknown[]) => unknown)(...args);
  } catch (error) {
    if (!isCaiError(error)) throw error;
    if (error.op !== name || !error.message.startsWith(`${name}: `)) throw new Error(`unnamed: ${error.message}`);
  }
}

for (const name of Object.keys(addon)) {
  const valid = opCases[name];
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 9 }), (args) =>
      attempt(
        name,
        args.map((make) => make()),
      ),
    ),
    { seed, numRuns },
  );
  if (!valid) continue;
  const places = placesIn(valid());
  fc.assert(
    fc.property(fc.array(fc.tuple(changes, fc.constantFrom(...places)), { minLength: 1, maxLength: 3 }), (wrong) => {
      const args = valid();
      for (const [change, path] of wrong) {
        try {
          change(args, path);
        } catch {
          // An earlier change took this place away.
        }
      }
      attempt(name, args);
    }),
    { seed, numRuns },
  );
}
console.log(Object.keys(addon).join(" "));
