import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["js/index.ts"],
  format: ["esm", "cjs"],
  noExternal: [/^@cai\/portable/],
  dts: { resolve: [/^@cai\/portable/] },
  clean: true,
  shims: true,
  target: "node20",
});
