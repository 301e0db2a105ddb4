// Does beam search as one packed batch find what following each hypothesis by itself finds, and how much sooner?
import { randomInts } from "@cai/test-utils";
import { beamSearch, type Hypothesis, Trainer } from "@cai/trainer";
import { agreementModels, agreementTolerance, beamAgreement } from "./lib/beam-agreement.js";
import type { Bench } from "./lib/bench.js";
import { benchRecipe } from "./lib/models.js";
import { oneByOneBeams } from "./lib/one-by-one-beams.js";
import { interleave, median, quantile } from "./lib/statistics.js";

const promptLength = 128;
const maxTokens = 32;
/** The first round only warms both up. */
const warmUpRounds = 1;

export const beam: Bench = async ({ quick }) => {
  const agreement = Object.entries(agreementModels).flatMap(([model, config]) =>
    [1, 3, 8].map((beams) => ({ model, beams, ...beamAgreement(config, beams, quick ? 1 : 12) })),
  );
  const trainer = new Trainer(benchRecipe("S"));
  const speed = [];
  for (const beams of [4, 8]) speed.push(await compareSpeed(trainer, beams, quick ? 3 : 40));
  return {
    rows: [...agreement, ...speed],
    summary: {
      mismatches: agreement.reduce((sum, { mismatches }) => sum + mismatches, 0),
      nearTies: agreement.reduce((sum, { nearTies }) => sum + nearTies, 0),
      speedRatioToOneByOne: Math.min(...speed.map(({ ratio }) => ratio)),
    },
    peers: {
      oneByOne: {
        correctness: `each hypothesis read from its first token, full sort, no early stop; tolerance ${agreementTolerance}`,
        speed: "the same search, a cache and a forward pass of one row for each beam, the prompt read once",
      },
    },
  };
};

/** Whole searches, prompt included, on another prompt each round. */
async function compareSpeed({ model }: Trainer, beams: number, rounds: number) {
  const options = { beams, maxTokens };
  const timed = (search: (prompt: Int32Array) => readonly Hypothesis[]) => {
    let round = 0;
    return () => {
      const prompt = randomInts(promptLength, model.config.vocabSize, ++round);
      const begin = performance.now();
      search(prompt);
      return performance.now() - begin;
    };
  };
  const times = await interleave(
    {
      packed: timed((prompt) => beamSearch(model, prompt, options)),
      oneByOne: timed((prompt) => oneByOneBeams(model, prompt, options)),
    },
    warmUpRounds + rounds,
  );
  const [packed, oneByOne] = [times.packed.slice(warmUpRounds), times.oneByOne.slice(warmUpRounds)];
  return {
    model: "S",
    beams,
    promptLength,
    newTokens: maxTokens,
    packedMs: median(packed),
    packedMs90: quantile(packed, 0.9),
    oneByOneMs: median(oneByOne),
    oneByOneMs90: quantile(oneByOne, 0.9),
    ratio: median(oneByOne) / median(packed),
    rounds,
  };
}
