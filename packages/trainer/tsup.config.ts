import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/parts.ts", "src/cli.ts", "src/train-worker.ts"],
  format: ["esm"],
  dts: { entry: ["src/index.ts", "src/parts.ts"] },
  clean: true,
  target: "node20",
});
