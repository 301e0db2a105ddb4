import { registerNative } from "./backend.js";
import { loadNative } from "./native-node.js";

registerNative(loadNative);

export * from "./index.js";
