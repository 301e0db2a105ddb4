// Asks for memory until there is no address space left, and prints the code of the error, then that of an array beyond reason.
import { allocateAligned, isCaiError, threads, zeros } from "../../js/index.js";

function codeOf(work: () => void): string {
  try {
    work();
    return "none";
  } catch (error) {
    return isCaiError(error) ? error.code : String(error);
  }
}

const held: ArrayBuffer[] = [];
const native = codeOf(() => {
  for (let i = 0; i < 100; i++) held.push(allocateAligned(2 ** 32));
});
held.length = 0;
threads();
console.log(
  native,
  codeOf(() => zeros([2 ** 50])),
  "done",
);
