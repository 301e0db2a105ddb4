import { describe, expect, it } from "vitest";
import { memoryGroup } from "../src/lib/memory-group.js";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("memory group", () => {
  it("hands every rank its part of what each rank sent, once all have come", () => {
    const group = memoryGroup(3);
    const received = group.map(() => new Uint8Array(6));
    const pending = group.map((rank, i) => {
      const send = Uint8Array.from({ length: 6 }, (_, at) => 10 * i + at);
      return rank.allToAll(send, received[i] as Uint8Array);
    });
    expect(pending.every(({ done }) => done)).toBe(true);
    expect([...(received[1] as Uint8Array)]).toEqual([2, 3, 12, 13, 22, 23]);
    expect([...(received[2] as Uint8Array)]).toEqual([4, 5, 14, 15, 24, 25]);
  });

  it("gathers everything on every rank", () => {
    const [a, b] = memoryGroup(2);
    const [left, right] = [new Uint8Array(4), new Uint8Array(4)];
    a?.allGather(bytes(1, 2), left);
    b?.allGather(bytes(3, 4), right);
    expect([...left]).toEqual([1, 2, 3, 4]);
    expect([...right]).toEqual([1, 2, 3, 4]);
  });

  it("matches operations by their order, however far a rank is ahead", async () => {
    const [a, b] = memoryGroup(2);
    const first = new Uint8Array(2);
    const second = new Uint8Array(2);
    const ahead = [a?.allGather(bytes(1), first), a?.allGather(bytes(2), second)];
    expect(ahead.map((pending) => pending?.done)).toEqual([false, false]);
    b?.allGather(bytes(3), new Uint8Array(2));
    b?.allGather(bytes(4), new Uint8Array(2));
    await ahead[1];
    expect([...first, ...second]).toEqual([1, 3, 2, 4]);
  });

  it("refuses to wait for what can't come, and another operation than the others'", async () => {
    const [a, b] = memoryGroup(2);
    const pending = a?.allGather(bytes(1), new Uint8Array(2));
    expect(() => pending?.wait()).toThrow("waited before all others");
    await expect(Promise.resolve(pending)).rejects.toThrow("waited before all others");
    expect(() => b?.allToAll(bytes(1, 2), new Uint8Array(2))).toThrow("rank 1 met others in allGather");
  });
});
