import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["js/index.ts"],
  format: ["esm", "cjs"],
  dts: true,
  clean: true,
  shims: true,
  target: "node20",
});
