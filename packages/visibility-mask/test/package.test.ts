import { fileURLToPath } from "node:url";
import { describePackage } from "@cai/test-utils/describe-package";

describePackage({
  name: "@cai/visibility-mask",
  root: fileURLToPath(new URL("..", import.meta.url)),
  op: "visibilityMask",
  mostBytes: { "*": 48_000, "{ VisibilityMask }": 19_000, "{ VisibilityMask, attention }": 28_000 },
  program: `
    const { tokens, mask } = library.packDocuments([[1, 2, 3], [4, 5]], { seqLen: 6 });
    const tensor = (phase) => ({
      dtype: "float32",
      device: "cpu",
      shape: [1, 6, 1, 8],
      data: Float32Array.from({ length: 48 }, (_, i) => Math.sin(i + phase)),
    });
    const { out } = library.attention(tensor(0), tensor(1), tensor(2), { mask });
    // Backends sum in different precision.
    const value = [[...tokens], mask.toText(), mask.toSvg(), [...out.data].map((x) => x.toFixed(4))];
  `,
});
