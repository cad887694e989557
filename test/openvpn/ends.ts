/**
 * Peers that move, end, and come again.
 */
import assert from "node:assert/strict";
import type { PeerDeletedReason, PeerRef } from "../../src/core/model.ts";
import { eventually } from "../conformance/expect.ts";
import type { Checks } from "./checks.ts";
import { DEVICE, KEEPALIVE } from "./openvpn.ts";
import { checkAddresses } from "./present.ts";
import { join, linesOf, type Member, peerOf, type Scene } from "./scene.ts";

/** OpenVPN removes a client some seconds after it said good-bye; the kernel, after the keepalive's time. */
const END_MS = (2 * KEEPALIVE.timeout + 20) * 1000;

/** The checks of what changes. */
export async function checkEnds(checks: Checks, scene: Scene): Promise<void> {
  const { stage, steady } = scene;
  if (stage.protocol === "udp") await checkUdpEnds(checks, scene);
  else await checkTcpEnds(checks, scene);

  await checks.check("all the while no ping of the other client was lost", async () => {
    steady.traffic.check();
  });
  await checkServerEnd(checks, scene);
}

async function checkUdpEnds(checks: Checks, scene: Scene): Promise<void> {
  const { stage, dco, events } = scene;
  let before: PeerRef | undefined;
  await checks.check("a client that ends by SIGTERM is removed by OpenVPN: external", async () => {
    before = await end(scene, "SIGTERM", "external");
  });
  await checks.check("a new client with its peer id is another generation", () =>
    comeAgain(scene, "client3", before),
  );
  await checks.check("a client whose address changes is told as a float, and goes on", async () => {
    const { guest } = scene;
    const { id, generation } = await peerOf(scene, guest);
    const address = await stage.move(guest.client.name);
    const event = await events.next("peer-floated");
    const peer = await dco.peer(id);
    assert.deepEqual([event.peer, event.generation, event.remote], [id, generation, peer.remote]);
    await checkAddresses(scene, guest, peer, address);
    await moreAnswers(guest);
    // What was under way while it moved may be lost.
    guest.traffic.forgive();
    await moreAnswers(guest);
    guest.traffic.check();
  });
  const learns = "OpenVPN learns of the float as well";
  if (dco.capabilities.floatEvent === "event") {
    await checks.check(learns, async () => {
      const { remote } = await peerOf(scene, scene.guest);
      const { realAddress } = await stage.status(scene.guest.client.name);
      assert.equal(realAddress, `${remote?.address}:${remote?.port}`);
    });
  } else checks.skip(learns, "this kernel does not tell of floats, and OpenVPN does not look");
  await checks.check("a client that is killed ends when the keepalive's time is over: expired", async () => {
    before = await end(scene, "SIGKILL", "expired");
  });
  await checks.check("the next is another generation again", () => comeAgain(scene, "client2", before));
}

async function checkTcpEnds(checks: Checks, scene: Scene): Promise<void> {
  let before: PeerRef | undefined;
  await checks.check("a client that ends by SIGTERM is removed by OpenVPN: external", async () => {
    before = await end(scene, "SIGTERM", "external");
  });
  await checks.check("a new client with its peer id is another generation", () =>
    comeAgain(scene, "client3", before),
  );
  await checks.check(
    "a client that is killed is removed by OpenVPN too, because its connection ends: external",
    async () => {
      before = await end(scene, "SIGKILL", "external");
    },
  );
  await checks.check("the next is another generation again", () => comeAgain(scene, "client2", before));
}

/** Over UDP the server is stopped, and tidies up; over TCP it is killed, and its interface stays. */
async function checkServerEnd(checks: Checks, scene: Scene): Promise<void> {
  const { stage, driver, dco, events } = scene;
  const listed = async () => (await driver.listInterfaces(stage.extras)).map(({ name }) => name);
  if (stage.protocol === "udp") {
    await checks.check("a server that stops removes its peers, then the interface", async () => {
      await endAll(scene, "external", () => stage.server.end("SIGTERM"));
      await events.next("interface-removed");
      await events.next("closed");
      assert.equal(
        linesOf(stage.server, /dco_del_peer: peer-id/).length,
        events.of("peer-deleted").length - 1,
      );
      assert.deepEqual([dco.closed, await listed()], [true, []]);
    });
    return;
  }
  if (dco.capabilities.peersSurviveProcess) {
    await checks.check("a server that is killed leaves its peers, and their tunnels carry on", async () => {
      await stage.server.end("SIGKILL");
      await moreAnswers(scene.steady);
      assert.deepEqual([dco.closed, await listed()], [false, [DEVICE]]);
      assert.equal((await dco.peers()).length, 2);
    });
  } else {
    await checks.check("a server that is killed takes its sockets along: transport-disconnect", async () => {
      await endAll(scene, "transport-disconnect", () => stage.server.end("SIGKILL"));
      assert.deepEqual([dco.closed, await listed(), await dco.peers()], [false, [DEVICE], []]);
    });
  }
  await checks.check("when its interface is deleted, the observer is told and closed", async () => {
    await stage.server.removeInterface();
    await events.next("interface-removed");
    await events.next("closed");
    assert.deepEqual([dco.closed, await listed()], [true, []]);
  });
}

/** The interface is deleted while OpenVPN uses it. */
export async function checkDeleted(checks: Checks, scene: Scene): Promise<void> {
  const { stage, dco, events } = scene;
  await checks.check("peers end with an interface that is deleted under OpenVPN's hands", async () => {
    await endAll(scene, "interface-removed", () => stage.server.removeInterface());
    await events.next("closed");
    assert.equal(events.of("interface-removed").length, 1);
    assert.equal(dco.closed, true);
  });
}

/** Every peer ends for this reason, once. */
async function endAll(
  { dco, events }: Scene,
  reason: PeerDeletedReason,
  act: () => Promise<void>,
): Promise<void> {
  const peers = await dco.peers();
  assert.equal(peers.length, 2);
  const before = events.of("peer-deleted").length;
  await act();
  for (const _ of peers) await events.next("peer-deleted", undefined, END_MS);
  const ends = events.of("peer-deleted").slice(before);
  const byId = (one: readonly unknown[], other: readonly unknown[]) => Number(one[0]) - Number(other[0]);
  assert.deepEqual(
    ends.map((event) => [event.peer, event.generation, event.reason]).sort(byId),
    peers.map(({ id, generation }) => [id, generation, reason]).sort(byId),
  );
}

async function moreAnswers({ traffic }: Member): Promise<void> {
  const before = traffic.answered();
  await eventually(
    "pings",
    () => traffic.answered(),
    (now) => now > before + 5,
  );
}

/** Ends the guest: its peer ends for this reason, once, and nothing is left of it. */
async function end(scene: Scene, signal: NodeJS.Signals, reason: PeerDeletedReason): Promise<PeerRef> {
  const { dco, events, guest } = scene;
  const { id, generation } = await peerOf(scene, guest);
  await guest.traffic.stop();
  await guest.client.end(signal);
  await guest.client.removeInterface();
  const event = await events.next("peer-deleted", undefined, END_MS);
  assert.deepEqual([event.peer, event.generation, event.reason], [id, generation, reason]);
  assert.ok((await dco.peers()).every((peer) => peer.id !== id));
  return { id, generation };
}

/** A new client in the place of the guest, whose peer id it gets. */
async function comeAgain(scene: Scene, name: string, before: PeerRef | undefined): Promise<void> {
  assert.ok(before, "the one before it did not end");
  scene.guest = await join(scene.stage, name);
  const { id, generation } = await peerOf(scene, scene.guest);
  assert.equal(id, before.id, "OpenVPN gives the lowest id that is free");
  assert.ok(generation > before.generation, `generation ${generation} after ${before.generation}`);
  const [stats] = (await scene.dco.stats()).filter((each) => each.id === id);
  assert.equal(stats?.generation, generation);
}
