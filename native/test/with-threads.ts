import { setThreads, threads } from "../js/index.js";

/** Runs `body` with this many threads, then sets the number back. */
export function withThreads<Result>(count: number, body: () => Result): Result {
  const before = threads();
  setThreads(count);
  try {
    return body();
  } finally {
    setThreads(before);
  }
}
