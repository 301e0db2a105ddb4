import { fileURLToPath } from "node:url";
import { describePackage } from "@cai/test-utils/describe-package";

describePackage({
  name: "@cai/squinch",
  root: fileURLToPath(new URL("..", import.meta.url)),
  op: "squinch",
  mostBytes: { "*": 34_000 },
  program: `
    const x = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i));
    const bytes = library.encode(x, { gain: true });
    const back = library.decode(bytes, 20, { gain: true });
    if (Math.abs(back[1] - x[1]) > 0.1) throw new Error("expected " + x[1] + ", got " + back[1]);
    const value = [...bytes];
  `,
});
