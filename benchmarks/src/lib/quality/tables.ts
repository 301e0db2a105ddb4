import type { Cell } from "../bench.js";
import { median } from "../statistics.js";
import { codes } from "./codes.js";
import { type GradientQuality, inAdamsUnit } from "./real-gradients.js";
import type { SyntheticFigure } from "./synthetic.js";

type Row = Readonly<Record<string, Cell>>;
type Measure = "snrDb" | "adamSnrDb";

/** A row a code and measure: medians over seeds for each distribution. */
export function syntheticRows(figures: readonly SyntheticFigure[]): Row[] {
  return (["snrDb", "adamSnrDb"] as const).flatMap((measure) =>
    codes.map(({ name, bitsPerValue }) => {
      const own = figures.filter((figure) => figure.code === name && figure[measure].length > 0);
      return {
        synthetic: measure,
        code: name,
        bits: bitsPerValue,
        ...Object.fromEntries(own.map((figure) => [figure.distribution, median(figure[measure])])),
        // Between seeds, of the distribution where it is largest.
        maxRangeDb: Math.max(...own.map((figure) => Math.max(...figure[measure]) - Math.min(...figure[measure]))),
      };
    }),
  );
}

const kinds = ["embedding", "attention", "feedForward", "norm", "bias", "head"] as const;

/** Medians over the tensors of a kind, all models and moments. */
export function codeRows(real: readonly GradientQuality[]): Row[] {
  const names = [...(real[0]?.quality.keys() ?? [])];
  return (["snrDb", "adamSnrDb"] as const).flatMap((measure) =>
    names.map((code) => ({
      gradients: measure,
      code,
      ...Object.fromEntries(
        kinds.map((kind) => [
          kind,
          medianOf(
            real.filter((one) => one.kind === kind),
            code,
            measure,
          ),
        ]),
      ),
      all: medianOf(real, code, measure),
      least: Math.min(...figuresOf(real, code, measure)),
    })),
  );
}

/** Medians in Adam's measure over the tensors of a kind in one model at one moment. */
export function kindRows(real: readonly GradientQuality[]): Row[] {
  const groups = new Map<string, GradientQuality[]>();
  for (const one of real) {
    const key = `${one.model} ${one.moment} ${one.kind}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => {
    const [{ model, moment, step, kind }] = group as [GradientQuality, ...GradientQuality[]];
    const adam = (code: string) => medianOf(group, code, "adamSnrDb");
    const own = (term: (one: GradientQuality) => number) => median(group.map(term));
    return {
      ...{ model, moment, step, kind, tensors: group.length },
      zeroShare: own(({ quality }) => quality.get("squinch sqrt")?.zeroShare ?? 0),
      deadShare: own(({ quality }) => quality.get("squinch sqrt")?.deadShare ?? 0),
      unitSpread: own(({ unitSpread }) => unitSpread),
      gainSqrt: own(({ quality }) => quality.get("squinch sqrt")?.gain ?? 0),
      ...{ sqrt: adam("squinch sqrt"), adam: adam("squinch adam"), lloyd: adam("squinch lloyd") },
      lloydInUnit: adam(inAdamsUnit("squinch lloyd")),
      ...{ int5: adam("int5"), E2M3: adam("mxfp6 E2M3"), bf16: adam("bf16") },
    };
  });
}

function figuresOf(real: readonly GradientQuality[], code: string, measure: Measure): number[] {
  return real.map(({ quality }) => quality.get(code)?.[measure] ?? Number.NaN);
}

/** Over tensors; null for none. */
export function medianOf(real: readonly GradientQuality[], code: string, measure: Measure): number | null {
  return real.length > 0 ? median(figuresOf(real, code, measure)) : null;
}
