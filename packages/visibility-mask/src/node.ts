import { registerNative } from "./attention/backend.js";
import { loadNative } from "./attention/native-node.js";

registerNative(loadNative);

export * from "./index.js";
