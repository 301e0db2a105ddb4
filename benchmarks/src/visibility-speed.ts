// How does attention's time fall with what a mask shows, beside the same kernel without skipping and PyTorch with a dense mask?
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { allocateAligned, backendInfo, setThreads } from "@cai/native";
import { attentionBackward, attentionForward, backend, type FloatTensor } from "@cai/visibility-mask";
import type { Bench, Cell } from "./lib/bench.js";
import { lineChart } from "./lib/line-chart.js";
import { LinePeer } from "./lib/line-peer.js";
import { fillNormal } from "./lib/normal-values.js";
import { benchmarksFolder, repositoryRoot } from "./lib/paths.js";
import { interleave, median } from "./lib/statistics.js";
import { requireTorch, torchPython, tunedTorchEnvironment } from "./lib/torch.js";
import { nothingSkipped, type VisibilityCase, visibilityCases, visibleShares } from "./lib/visibility/cases.js";

type SetUp = { start: number[]; limit: number[]; window: number; heads: number; dim: number; causal: boolean };
type Torch = LinePeer<
  SetUp | { calls: number; form: string },
  { form: string; causalForm: string | null; milliseconds: number[] },
  { version: string; threads: number }
>;
interface Times {
  readonly forward: number;
  readonly backward: number;
}

const [heads, dim] = [8, 64];
/** Rounds of turns, one turn a contestant a round; a turn repeats short calls until it has taken `turnMs`. */
const plans = {
  quick: { lengths: [2048], only: ["causal", "packed, 32 documents"], rounds: 2, turnMs: 50 },
  full: { lengths: [2048, 8192], only: undefined, rounds: 9, turnMs: 200 },
};
type Plan = { rounds: number; turnMs: number };

export const visibilitySpeed: Bench = async ({ quick }) => {
  const plan = plans[quick ? "quick" : "full"];
  await requireTorch();
  const threads = availableParallelism();
  setThreads(threads);
  const script = join(benchmarksFolder, "peers", "torch_attention.py");
  const torch: Torch = new LinePeer("PyTorch", torchPython, [script], tunedTorchEnvironment());
  try {
    const rows = [];
    for (const seqLen of plan.lengths) {
      const run = attentionRun(seqLen);
      const cases = visibilityCases(seqLen).filter(({ name }) => plan.only?.includes(name) ?? true);
      for (const one of cases) rows.push(await compare(one, run, torch, plan));
    }
    if (!quick) writeFileSync(join(repositoryRoot, "packages", "visibility-mask", "speed.svg"), plot(rows));
    const causal = rows[0] as Row;
    return {
      rows,
      summary: {
        minTileSkipEfficiency: Math.min(...rows.map(({ efficiency }) => efficiency)),
        ratioToPyTorchCausal2k: causal.ratioToPyTorch,
        ratioToPyTorchCausalLaterKeysLeftOut2k: causal.ratioToPyTorchLaterKeysLeftOut,
      },
      peers: {
        pytorch: {
          ...(await torch.ready),
          mask: "dense, additive, made beforehand",
          environment: tunedTorchEnvironment(),
        },
        ours: { backend: backend(), cpuTarget: backendInfo().cpuTarget, threads },
        shape: { B: 1, H: heads, D: dim },
      },
    };
  } finally {
    await torch.close();
  }
};

type Row = Awaited<ReturnType<typeof compare>>;

/** Forward and backward over one set of tensors, so that no contestant has memory of its own. */
function attentionRun(seqLen: number): (one: Pick<VisibilityCase, "mask" | "window">, turnMs: number) => Times {
  const tensor = (...shape: number[]): FloatTensor => {
    const data = new Float32Array(allocateAligned(4 * shape.reduce((a, b) => a * b)));
    fillNormal(data);
    return { dtype: "float32", device: "cpu", shape, data };
  };
  const wide = () => tensor(1, seqLen, heads, dim);
  const [q, k, v, dout, out, dq, dk, dv] = [wide(), wide(), wide(), wide(), wide(), wide(), wide(), wide()] as const;
  const lse = tensor(1, heads, seqLen);
  return ({ mask, window }, turnMs) => {
    const [forward, backward]: [number[], number[]] = [[], []];
    for (const end = performance.now() + turnMs; performance.now() < end || forward.length < 2; ) {
      const begin = performance.now();
      attentionForward(q, k, v, out, lse, { mask, window });
      const between = performance.now();
      attentionBackward(dout, q, k, v, out, lse, dq, dk, dv, { mask, window });
      forward.push(between - begin);
      backward.push(performance.now() - between);
    }
    return { forward: median(forward), backward: median(backward) };
  };
}

async function compare(one: VisibilityCase, run: ReturnType<typeof attentionRun>, torch: Torch, plan: Plan) {
  const { mask, name, window } = one;
  const causal = name === "causal";
  const { form, causalForm } = await torch.ask({
    start: [...mask.start],
    limit: [...mask.limit],
    window,
    heads,
    dim,
    causal,
  });
  const everything = { mask: nothingSkipped(mask.seqLen), window: 0 };
  const ours: Record<"skipping" | "base", Times[]> = { skipping: [], base: [] };
  const torchTurn = (which: string) => async () => median((await torch.ask({ calls: 1, form: which })).milliseconds);
  const contestants: Record<string, () => number | Promise<number>> = {
    ours: () => ours.skipping.push(run(one, plan.turnMs)),
    base: () => ours.base.push(run(everything, plan.turnMs)),
    torch: torchTurn(form),
    ...(causalForm && { causal: torchTurn(causalForm) }),
  };
  const times = await interleave(contestants, plan.rounds);
  const causalMs = times.causal && median(times.causal);
  return rowOf(one, ours, { form, ms: median(times.torch as number[]), causalMs });
}

interface TorchTimes {
  readonly form: string;
  readonly ms: number;
  readonly causalMs: number | undefined;
}

function rowOf(one: VisibilityCase, times: Record<"skipping" | "base", Times[]>, torch: TorchTimes) {
  const of = (list: readonly Times[], value: (time: Times) => number) => median(list.map(value));
  const total = ({ forward, backward }: Times) => forward + backward;
  const { tiles, cells } = visibleShares(one);
  const against = (value: (time: Times) => number) => of(times.base, value) / of(times.skipping, value);
  const milliseconds = of(times.skipping, total);
  return {
    seqLen: one.mask.seqLen,
    mask: one.name,
    tileShare: tiles,
    cellShare: cells,
    milliseconds,
    forwardMs: of(times.skipping, ({ forward }) => forward),
    backwardMs: of(times.skipping, ({ backward }) => backward),
    baseMs: of(times.base, total),
    pytorchMs: torch.ms,
    ratioToBase: against(total),
    efficiency: against(total) * tiles,
    forwardEfficiency: against(({ forward }) => forward) * tiles,
    backwardEfficiency: against(({ backward }) => backward) * tiles,
    efficiencyByCells: against(total) * cells,
    ratioToPyTorch: torch.ms / milliseconds,
    ratioToPyTorchLaterKeysLeftOut: torch.causalMs === undefined ? null : torch.causalMs / milliseconds,
    pytorchForm: torch.form,
  } satisfies Readonly<Record<string, Cell>>;
}

/** Times as shares of the base's, against the visible share of the tiles. */
function plot(rows: readonly Row[]): string {
  const sorted = rows.toSorted((a, b) => a.tileShare - b.tileShare);
  const lengths = [...new Set(rows.map(({ seqLen }) => seqLen))];
  const line = (name: string, seqLen: number, value: (row: Row) => number) => ({
    name: `${name}, ${seqLen.toLocaleString("en-GB")}`,
    points: sorted.filter((row) => row.seqLen === seqLen).map((row) => [row.tileShare, value(row)] as const),
  });
  const ideal = { name: "ideal", points: sorted.map(({ tileShare }) => [tileShare, tileShare] as const) };
  return lineChart(
    [
      ideal,
      ...lengths.map((seqLen) => line("ours", seqLen, ({ milliseconds, baseMs }) => milliseconds / baseMs)),
      ...lengths.map((seqLen) => line("PyTorch", seqLen, ({ pytorchMs, baseMs }) => pytorchMs / baseMs)),
    ],
    [0.05, 0.1, 0.2, 0.5],
    {
      title: "Attention's time falls with the visible area",
      x: "share of 64 x 64 tiles with a visible cell",
      y: "time, forward and backward, without skipping = 1",
    },
  );
}
