/** Key rotation. */
import assert from "node:assert/strict";
import { deriveDataKeys } from "../../../../src/core/key-derivation.ts";
import { KeySchedule } from "../../../../src/core/key-schedule.ts";
import { inTime, pause } from "../../../conformance/expect.ts";
import { type End, openTunnel } from "../../../conformance/tunnel.ts";
import { example, type Scene } from "../stage.ts";
import { CIPHER, freshEkm } from "./ends.ts";

/** A peer's schedule with its first key. */
async function scheduleOf(end: End, role: "client" | "server", ekm: Uint8Array): Promise<KeySchedule> {
  const limits = role === "client" ? { bytes: 2000 } : {};
  const schedule = new KeySchedule(end.dco, 1, { capabilities: end.dco.capabilities, limits });
  await schedule.install({ cipher: CIPHER, ...deriveDataKeys({ source: "tls-ekm", ekm }, role, CIPHER) });
  return schedule;
}

/** A promise that somebody else resolves. */
function signalled() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

export const keyScenes: readonly Scene[] = [
  {
    page: "key-rotation.md",
    name: "three rotations, each advised by the counters, under pings of which none is lost",
    async run({ world }) {
      const { rotate } = example("key-rotation/rotate.ts");
      const { watchKeys } = example("key-rotation/advise.ts");
      const { server, client } = await openTunnel(world, { keys: false });
      const [first, same] = freshEkm();
      const ends = [
        { role: "client", schedule: await scheduleOf(client, "client", first) },
        { role: "server", schedule: await scheduleOf(server, "server", same) },
      ] as const;
      const ping = await world.startPing(client.site, server.vpn.ipv4);
      const stop = new AbortController();
      const reasons: unknown[] = [];
      const renegotiate = async (reason: unknown) => {
        const ekms = freshEkm();
        const installed = [signalled(), signalled()] as const;
        const over = signalled();
        const both = ends.map(async ({ role, schedule }, at) => {
          // The other end is not as quick: who does not wait for it loses pings.
          await pause(200 * at);
          const [own, other] = at === 0 ? installed : [installed[1], installed[0]];
          const ekm = ekms[at] as Uint8Array;
          const before = schedule.install.bind(schedule);
          // What the control channel would tell the other end.
          schedule.install = (...args) => before(...args).finally(() => own.resolve());
          const key = { ekm, confirmed: other.promise, over: over.promise };
          return rotate(schedule, key, role, CIPHER, stop.signal).finally(() => {
            schedule.install = before;
            assert.ok(
              ekm.every((byte) => byte === 0),
              "the keying material is gone",
            );
          });
        });
        await Promise.all(installed.map(({ promise }) => promise));
        setTimeout(() => over.resolve(), 300);
        await Promise.all(both);
        reasons.push(reason);
        if (reasons.length === 3) stop.abort();
      };
      const { schedule } = ends[0];
      await inTime(
        watchKeys(client.dco, schedule, renegotiate, 0.05, stop.signal),
        "three rotations",
        90_000,
      );
      assert.deepEqual(reasons, ["bytes", "bytes", "bytes"]);
      for (const { schedule } of ends)
        assert.deepEqual([schedule.state.primary, schedule.state.secondary], [3, undefined]);
      const { sent, received, output } = await ping.stop();
      assert.ok(sent > 0 && sent === received, output);
      await watchKeys(client.dco, schedule, renegotiate, 1, AbortSignal.abort());
    },
  },
];
