import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{native,packages/*,tools/*,benchmarks,examples/*}/test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 30_000,
  },
});
