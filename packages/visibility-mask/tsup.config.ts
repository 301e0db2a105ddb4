import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/node.ts"],
  format: ["esm", "cjs"],
  noExternal: [/^@cai\/portable/],
  dts: { resolve: [/^@cai\/portable/] },
  clean: true,
  shims: true,
  target: "node20",
});
