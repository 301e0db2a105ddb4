import type { AttentionOps } from "../job.js";
import { backward } from "./backward.js";
import { forward } from "./forward.js";

/** Attention in plain TypeScript: query by query over the keys that it sees, in double precision and O(S · D) memory. */
export const portableOps: AttentionOps = { forward, backward };
