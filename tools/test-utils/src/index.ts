export { type AllCloseOptions, expectAllClose } from "./all-close.js";
export { finiteDifference } from "./finite-difference.js";
export { randomFloats, randomInts, stridedRows } from "./seeded-data.js";
