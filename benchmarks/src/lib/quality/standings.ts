import { median } from "../statistics.js";
import { codes } from "./codes.js";
import type { GradientQuality } from "./real-gradients.js";
import type { SyntheticFigure } from "./synthetic.js";

/** Peers of at most this many bits a value are of Squinch's class. */
const classBits = 6.25;

/** In words: where each codebook of Squinch loses to a peer of about its bits, and where it wins, from the figures. */
export function standings(synthetic: readonly SyntheticFigure[], real: readonly GradientQuality[]): string {
  const contests = [
    onSynthetic(synthetic, "normal", "snrDb"),
    onSynthetic(synthetic, "student3", "snrDb"),
    onSynthetic(synthetic, "sigma1", "adamSnrDb"),
    onSynthetic(synthetic, "sigma2", "adamSnrDb"),
    onGradients(real, "snrDb"),
    onGradients(real, "adamSnrDb"),
  ];
  return contests
    .flatMap(({ where, db }) => ["sqrt", "adam", "lloyd"].map((codebook) => verdict(where, db, codebook)))
    .join("\n");
}

interface Contest {
  readonly where: string;
  readonly db: (code: string) => number;
}

function onSynthetic(
  figures: readonly SyntheticFigure[],
  distribution: string,
  measure: "snrDb" | "adamSnrDb",
): Contest {
  const db = (code: string) =>
    median(figures.find((figure) => figure.code === code && figure.distribution === distribution)?.[measure] ?? []);
  return { where: `${distribution}, ${measure === "snrDb" ? "plain" : "Adam's measure"}`, db };
}

function onGradients(real: readonly GradientQuality[], measure: "snrDb" | "adamSnrDb"): Contest {
  const db = (code: string) => median(real.map(({ quality }) => quality.get(code)?.[measure] ?? Number.NaN));
  return { where: `real gradients, ${measure === "snrDb" ? "plain" : "Adam's measure"}`, db };
}

function verdict(where: string, db: (code: string) => number, codebook: string): string {
  const own = db(`squinch ${codebook}`);
  const peers = codes.filter(({ name, bitsPerValue }) => !name.startsWith("squinch") && bitsPerValue <= classBits);
  const told = (better: boolean) =>
    peers
      .filter(({ name }) => db(name) > own === better)
      .map(({ name, bitsPerValue }) => `${name} (${db(name).toFixed(1)}, ${bitsPerValue} bits)`)
      .join(", ") || "none";
  return `${where}: ${codebook} ${own.toFixed(1)} dB loses to ${told(true)}; beats ${told(false)}`;
}
