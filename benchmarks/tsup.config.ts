import { defineConfig } from "tsup";

export default defineConfig({
  // A bench is found by its file's name, and the children are programs of their own.
  entry: ["src/*.ts", "src/children/*.ts", "src/docs/*.ts"],
  format: ["esm"],
  noExternal: ["@cai/corpora", "@cai/test-utils"],
  clean: true,
  target: "node20",
});
