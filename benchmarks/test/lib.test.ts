import { describe, expect, it } from "vitest";
import { LinePeer } from "../src/lib/line-peer.js";
import { interleave, median, quantile } from "../src/lib/statistics.js";
import { formatTable } from "../src/lib/table.js";

describe("statistics", () => {
  it("takes the middle value, or the mean of the two middle ones", () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 2, 9])).toBe(3);
  });

  it("interpolates quantiles and keeps to the ends", () => {
    expect(quantile([10, 20, 30], 0.25)).toBe(15);
    expect(quantile([7], 0.9)).toBe(7);
    expect(quantile([3, 1, 2], 1)).toBe(3);
  });

  it("refuses to tell the median of nothing", () => {
    expect(() => median([])).toThrow("expected at least one value");
  });

  it("gives every contestant its turn each round, the order turned round every other round", async () => {
    const calls: string[] = [];
    const turn = (name: string) => () => calls.push(name);
    const results = await interleave({ a: turn("a"), b: turn("b") }, 3);
    expect(calls.join("")).toBe("abbaab");
    expect(results).toEqual({ a: [1, 4, 5], b: [2, 3, 6] });
  });
});

describe("formatTable", () => {
  it("puts words to the left and numbers to the right", () => {
    const table = formatTable([
      { who: "ours", speed: 12345.678 },
      { who: "theirs", speed: 0.123456 },
    ]);
    expect(table.split("\n")).toEqual(["who      speed", "ours     12346", "theirs  0.1235"]);
  });

  it("starts another table where the keys change", () => {
    expect(formatTable([{ a: 1 }, { b: null }])).toBe("a\n1\n\nb\n-");
  });
});

describe("LinePeer", () => {
  const echo = `
    console.log(JSON.stringify({ ready: true }));
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => console.log(line));`;

  it("answers one line with one line, in order, until it is closed", async () => {
    const peer = new LinePeer<unknown, unknown>("echo", process.execPath, ["-e", echo], {});
    expect(await peer.ready).toEqual({ ready: true });
    expect(await peer.ask({ steps: 3 })).toEqual({ steps: 3 });
    expect(await peer.ask([1])).toEqual([1]);
    await peer.close();
  });

  it("tells what a program said before it died", async () => {
    const peer = new LinePeer(
      "broken",
      process.execPath,
      ["-e", 'console.error("no such model"); process.exit(3)'],
      {},
    );
    await expect(peer.ask({})).rejects.toThrow(/broken ended before it answered:\n.*no such model/);
    await peer.close();
  });

  it("tells when the program is not there", async () => {
    const peer = new LinePeer("missing", "/no/such/program", [], {});
    await expect(peer.ask({})).rejects.toThrow(/missing ended before it answered:\n.*ENOENT/);
    await peer.close();
  });

  it("gives the program no environment but PATH, HOME and what it is told", async () => {
    const print = "console.log(JSON.stringify(Object.keys(process.env).sort()))";
    const peer = new LinePeer("environment", process.execPath, ["-e", print], { OMP_NUM_THREADS: "2" });
    expect(await peer.ready).toEqual(["HOME", "OMP_NUM_THREADS", "PATH"]);
    await peer.close();
  });
});
