import { describe, expect, test } from "vitest";
import { PeerReleases } from "../../../src/linux/peer-releases.ts";

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("PeerReleases", () => {
  test("the next removal waits for the release of the one before, not only for its answer", async () => {
    const releases = new PeerReleases();
    const asked: number[] = [];
    const remove = (id: number) =>
      releases.remove(id, async () => {
        asked.push(id);
      });
    const ends: number[] = [];
    const all = [1, 2, 3].map((id) => remove(id).then(() => ends.push(id)));
    await later();
    expect([asked, ends]).toEqual([[1], []]);
    // Of somebody who is not waited for.
    releases.released(3);
    await later();
    expect([asked, ends]).toEqual([[1], []]);
    releases.released(1);
    await later();
    expect([asked, ends]).toEqual([[1, 2], [1]]);
    releases.released(2);
    await later();
    releases.released(3);
    await Promise.all(all);
    expect([asked, ends]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test("a removal that the kernel refuses fails at once, and the next one goes on", async () => {
    const releases = new PeerReleases();
    const refused = releases.remove(1, async () => {
      throw new Error("no such peer");
    });
    const next = releases.remove(2, async () => releases.released(2));
    await expect(refused).rejects.toThrow("no such peer");
    await next;
  });

  test("a notification that never comes is waited for only a while", async () => {
    const releases = new PeerReleases();
    await releases.remove(1, async () => {});
    await releases.remove(2, async () => {});
  });
});
