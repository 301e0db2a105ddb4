import type { CodecName, ExchangeReady, ExchangeReply, ExchangeRequest, StepSetting } from "./exchange-protocol.js";
import type { LinePeer } from "./line-peer.js";
import type { NetworkRig } from "./network-rig.js";
import type { Layout, NetworkRow } from "./network-rows.js";
import { interleave, median, quantile } from "./statistics.js";

export type Ranks = LinePeer<ExchangeRequest, ExchangeReply, ExchangeReady>;

/** How often each thing is measured. */
export interface Plan {
  readonly rounds: number;
  readonly steps: number;
  /** What each rank holds in an all-to-all that measures the link. */
  readonly rawBytes: number;
}

interface Place {
  readonly rig: NetworkRig;
  readonly ranks: Ranks;
  readonly linkMbit: number;
}

const codecs: readonly CodecName[] = ["float32", "bf16", "squinch"];
/** Of an all-to-all that shows latency alone. */
const smallBytes = 64;

/** What one rank's work costs while the others do the same: the processors are shared as they are in a step. */
export async function measureWork(ranks: Ranks, { rounds, steps }: Plan): Promise<NetworkRow[]> {
  const { parameters } = await ranks.ready;
  const rows: NetworkRow[] = [];
  const add = (work: string, timeMs: number) => rows.push({ measured: "work", work, timeMs });
  for (const codec of codecs) {
    const { codecNs } = await ranks.ask({ kind: "codec", codec, rounds: rounds + 2 });
    for (const [part, nsPerValue] of Object.entries(codecNs ?? {}))
      add(`${codec} ${part}`, (nsPerValue * parameters) / 1e6);
  }
  await ranks.ask({ kind: "alone", microBatches: 1, steps: 1 });
  for (const microBatches of [1, 2]) {
    const { timesMs } = await ranks.ask({ kind: "alone", microBatches, steps });
    add(`step alone, ${microBatches} micro-batch${microBatches > 1 ? "es" : ""}`, median(timesMs));
  }
  return rows;
}

export async function measureLink({ rig, ranks, linkMbit }: Place, { rounds, rawBytes }: Plan): Promise<NetworkRow[]> {
  rig.shape({ linkMbit });
  return await measureRaw(ranks, linkMbit, { rounds, rawBytes });
}

/** The same between ranks of one host. */
export async function measureRaw(ranks: Ranks, linkMbit: number | null, plan: Pick<Plan, "rounds" | "rawBytes">) {
  const { rounds, rawBytes } = plan;
  const { ranks: size } = await ranks.ready;
  const measure = async (bytes: number) =>
    median((await ranks.ask({ kind: "raw", bytes, rounds: rounds + 2 })).timesMs);
  const smallMs = await measure(smallBytes);
  const seconds = ((await measure(rawBytes)) - smallMs) / 1e3;
  const payloadMbit = ((rawBytes * (size - 1)) / size) * (8e-6 / seconds);
  return [{ measured: "link", linkMbit, payloadMbit, smallMs } satisfies NetworkRow];
}

/** Exchanges of a whole gradient by themselves, the codecs in turn. */
export async function measureExchanges(place: Place, { rounds }: Plan): Promise<NetworkRow[]> {
  const ask = (codec: CodecName) => () => place.ranks.ask({ kind: "exchange", codec, rounds: 1 });
  const samples = await alternate(place, codecs, ask, rounds);
  return samples.map(([exchange, replies]) => ({
    measured: "exchange",
    exchange,
    linkMbit: place.linkMbit,
    ...timesOf(replies),
    ...traffic(replies),
    rounds,
  }));
}

/** Training steps, the settings in turn. */
export async function measureSteps(
  place: Place,
  settings: readonly StepSetting[],
  layout: Layout,
  { steps }: Plan,
): Promise<NetworkRow[]> {
  const ask = (setting: StepSetting) => () => place.ranks.ask({ kind: "step", setting, steps: 1 });
  const samples = await alternate(place, settings, ask, steps);
  return samples.map(([exchange, replies]) => ({
    measured: "step",
    layout,
    exchange,
    linkMbit: place.linkMbit,
    ...timesOf(replies),
    exposedMs: median(replies.flatMap(({ exposedMs = [] }) => exposedMs)),
    ...traffic(replies),
    parameterBytes: median(replies.map(({ parameterBytesSent = 0 }) => parameterBytesSent)),
    rounds: steps,
  }));
}

interface Sample extends ExchangeReply {
  /** What the kernel counted on all hosts' links, over the number of ranks. */
  readonly linkBytes: number;
}

/** Every contestant once to warm up, then all in turn. */
async function alternate<Name extends string>(
  { rig, ranks, linkMbit }: Place,
  names: readonly Name[],
  ask: (name: Name) => () => Promise<ExchangeReply>,
  rounds: number,
): Promise<[Name, Sample[]][]> {
  rig.shape({ linkMbit });
  for (const name of names) await ask(name)();
  const { ranks: size } = await ranks.ready;
  const counted = (name: Name) => async (): Promise<Sample> => {
    const before = sentOverLinks(rig);
    const reply = await ask(name)();
    return { ...reply, linkBytes: (sentOverLinks(rig) - before) / size };
  };
  const contestants = Object.fromEntries(names.map((name) => [name, counted(name)])) as Record<
    Name,
    () => Promise<Sample>
  >;
  const samples = await interleave(contestants, rounds);
  return names.map((name) => [name, samples[name]]);
}

function sentOverLinks(rig: NetworkRig): number {
  return rig.counts().reduce((sum, { sentBytes }) => sum + sentBytes, 0);
}

function timesOf(samples: readonly Sample[]) {
  const all = samples.flatMap(({ timesMs }) => timesMs);
  return { timeMs: median(all), timeMs10: quantile(all, 0.1), timeMs90: quantile(all, 0.9) };
}

function traffic(samples: readonly Sample[]) {
  return {
    bytesSent: median(samples.map(({ bytesSent = 0 }) => bytesSent)),
    linkBytes: median(samples.map(({ linkBytes }) => linkBytes)),
  };
}
