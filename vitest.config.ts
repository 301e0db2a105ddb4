import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{native,packages/*,tools/*,benchmarks,examples/*}/test/**/*.test.ts"],
    // A process a file: the addon's thread pool and a crash stay with the file that caused them.
    pool: "forks",
    fileParallelism: true,
    maxWorkers: availableParallelism(),
    // Generous, since two cores may be busy with something else; a test that needs more is too slow.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    // A failing test shows its values, not the library's internals.
    chaiConfig: { truncateThreshold: 200 },
    forbidOnly: true,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
