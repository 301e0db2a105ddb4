import { describe, expect, it } from "vitest";
import { createProgress, type ProgressStep } from "../src/cli/progress.js";

class FakeStream {
  text = "";
  constructor(
    readonly isTTY: boolean,
    readonly columns?: number,
  ) {}
  write(text: string): void {
    this.text += text;
  }
}

function fake(isTTY: boolean, options: { columns?: number; firstStep?: number } = {}) {
  const stream = new FakeStream(isTTY, options.columns);
  let time = 0;
  const progress = createProgress({ stream, now: () => time, firstStep: options.firstStep ?? 0 });
  /** A step that took `milliseconds`. */
  const step = (milliseconds: number, values: Partial<ProgressStep> & { step: number }) => {
    time += milliseconds;
    progress.update({ steps: 400, ...values });
  };
  return { stream, progress, step };
}

/** What a terminal shows after the text: carriage returns and erasures done. */
function screen(text: string): string[] {
  return text.split("\n").map((line) => line.split("\r\u001b[2K").at(-1) as string);
}

describe("progress on a terminal", () => {
  it("keeps one live line with step, loss, speed and time left", () => {
    const { stream, step } = fake(true, { columns: 100 });
    step(500, { step: 1, loss: 8.31789, tokensPerSecond: 4096.4 });
    expect(screen(stream.text)).toEqual([`[${" ".repeat(20)}] step   1/400  loss 8.3179  4,096 tokens/s  3:20 left`]);
    step(500, { step: 200, loss: 4, tokensPerSecond: 4096.4 });
    expect(screen(stream.text)).toHaveLength(1);
    expect(screen(stream.text)[0]).toMatch(
      /^\[={10} {10}\] step 200\/400 {2}loss 4\.0000 {2}4,096 tokens\/s {2}1:30 left$/,
    );
  });

  it("is redrawn at most ten times a second, but always shows the last step", () => {
    const { stream, step } = fake(true);
    for (let i = 1; i <= 400; i++) step(1, { step: i });
    const draws = stream.text.split("\r").length - 1;
    expect(draws).toBeGreaterThanOrEqual(4);
    expect(draws).toBeLessThanOrEqual(6);
    expect(screen(stream.text)[0]).toContain("step 400/400");
    expect(screen(stream.text)[0]).not.toContain("left");
  });

  it("puts messages above the live line and leaves the last state standing", () => {
    const { stream, step, progress } = fake(true);
    step(1000, { step: 1, loss: 8 });
    progress.message("validation loss 7.5");
    step(50, { step: 2, loss: 7 });
    progress.close();
    progress.close();
    progress.update({ step: 3, steps: 400 });
    const lines = screen(stream.text);
    expect(lines[0]).toBe("validation loss 7.5");
    expect(lines[1]).toContain("step   2/400  loss 7.0000");
    expect(lines.slice(2)).toEqual([""]);
  });

  it("never fills the last column, where the terminal would wrap", () => {
    const { stream, step } = fake(true, { columns: 30 });
    step(1000, { step: 1, loss: 8, tokensPerSecond: 5000 });
    expect(screen(stream.text)[0]).toHaveLength(29);
  });

  it("writes nothing when there was nothing to show", () => {
    const { stream, progress } = fake(true);
    progress.close();
    expect(stream.text).toBe("");
  });
});

describe("progress elsewhere", () => {
  it("writes whole lines, the first and the last step and no more than one in three seconds between", () => {
    const { stream, step, progress } = fake(false);
    for (let i = 1; i <= 400; i++) step(100, { step: i, loss: 5, tokensPerSecond: 2048 });
    progress.close();
    const lines = stream.text.trimEnd().split("\n");
    expect(lines[0]).toBe("step   1/400  loss 5.0000  2,048 tokens/s  40 s left");
    expect(lines.at(-1)).toBe("step 400/400  loss 5.0000  2,048 tokens/s");
    // 40 s in all: at 0, 3, ..., 39 s and at the end.
    expect(lines).toHaveLength(15);
    expect(stream.text).not.toContain("\r");
    expect(stream.text).not.toContain("\u001b");
  });

  it("shows the last state of a run that was stopped, once", () => {
    const { stream, step, progress } = fake(false);
    step(100, { step: 1, loss: 5 });
    step(100, { step: 2, loss: 4 });
    progress.message("stopped");
    progress.close();
    progress.close();
    expect(stream.text.trimEnd().split("\n")).toEqual([
      expect.stringContaining("step   1/400"),
      "stopped",
      expect.stringContaining("step   2/400  loss 4.0000"),
    ]);
  });
});

describe("time left", () => {
  it("counts only this process's steps when a run goes on", () => {
    const { stream, step } = fake(false, { firstStep: 200 });
    step(1000, { step: 201 });
    expect(stream.text).toBe("step 201/400  3:19 left\n");
  });

  it("follows the pace of late", () => {
    const { stream, step } = fake(false);
    step(60_000, { step: 1 });
    for (let i = 2; i <= 100; i++) step(1000, { step: i });
    const last = stream.text.trimEnd().split("\n").at(-1) as string;
    expect(last).toMatch(/ 5:0\d left$/);
  });

  it("is told in hours when it takes hours", () => {
    const { stream, step } = fake(false);
    step(10_000, { step: 1 });
    expect(stream.text).toContain("1:06:30 left");
  });

  it("says when a loss is not finite", () => {
    const { stream, step } = fake(false);
    step(1000, { step: 1, loss: Number.NaN });
    expect(stream.text).toContain("loss not finite");
  });
});
