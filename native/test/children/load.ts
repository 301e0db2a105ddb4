// Prints what happens when the package is used: the backend, and the error of an op, twice.
import { backendInfo, isCaiError, threads } from "../../js/index.js";

function attempt(): unknown {
  try {
    return { threads: threads() };
  } catch (error) {
    if (!isCaiError(error)) throw error;
    return { name: error.name, code: error.code, op: error.op, message: error.message, cause: String(error.cause) };
  }
}

console.log(JSON.stringify({ info: backendInfo(), first: attempt(), second: attempt() }));
