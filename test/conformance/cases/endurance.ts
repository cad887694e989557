/**
 * The same again and again: what leaks a little each time shows after many.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { group } from "../case.ts";
import { freshKey } from "../keys.ts";
import { LeakCheck } from "../leaks.ts";
import { nowhere } from "../tunnel.ts";
import type { World } from "../world.ts";

const NOWHERE = "192.0.2.99:1194";
const ROUNDS = 200;
/** Rounds after which everything that is made once has been made. */
const WARM_UP = 5;
/** Long enough on an emulated machine that does something else as well. */
const TIMEOUT_MS = 900_000;

/** Opens everything there is, and closes it from another level each time. */
async function openAndClose(world: World, round: number): Promise<void> {
  const driver = await world.openDriver();
  const mode = round % 2 === 0 ? "multipeer" : "p2p";
  const dco = await driver.createInterface({ mode, ...world.server.extras });
  const events = dco.events();
  const addresses = ["10.8.0.1/24", "fd00:8::1/64"];
  await dco.configure({ ...(world.capabilities.systemInterface && { addresses }), up: true });
  const local = round % 3 === 0 ? `[${world.server.ipv6}]:0` : `${world.server.ipv4}:0`;
  const transport = await dco.openTransport({ protocol: "udp", local });
  const remote = round % 3 === 0 ? "[2001:db8::99]:1194" : NOWHERE;
  const vpn = mode === "multipeer" ? { vpn: { ipv4: "10.8.0.2" } } : {};
  await dco.addPeer({ id: 1, transport, remote, ...vpn, keepalive: { interval: 5, timeout: 10 } });
  await dco.installKey(1, { ...freshKey(), wipe: true });
  assert.equal((await dco.stats()).length, 1);
  if (round % 4 === 1) await dco.removePeer(1);
  if (round % 4 === 2) await transport.close();
  if (round % 4 === 3) await dco.close();
  await driver.close();
  const told: string[] = [];
  for await (const event of events) told.push(event.type);
  assert.equal(told.filter((type) => type === "peer-deleted").length, 1, `round ${round}: ${told.join()}`);
  assert.equal(told.at(-1), "closed");
}

/** Removals overlap on sockets that stay: as many as are ever needed. */
async function openAllSockets(dco: DcoInterface, world: World): Promise<void> {
  const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
  const ids = Array.from({ length: 60 }, (_, at) => at + 1000);
  for (const id of ids)
    await dco.addPeer({ id, transport, remote: nowhere(id), vpn: { ipv4: `10.9.0.${id - 999}` } });
  await dco.removePeers(ids);
  await transport.close();
}

export const enduranceCases = group("endurance", [
  {
    name: `${ROUNDS} rounds of opening and closing leave no descriptor, thread or interface`,
    timeoutMs: TIMEOUT_MS,
    async run(world) {
      for (let round = 0; round < WARM_UP; round++) await openAndClose(world, round);
      const leaks = await LeakCheck.begin();
      for (let round = 0; round < ROUNDS; round++) await openAndClose(world, round);
      assert.deepEqual(await leaks.finish(), []);
      assert.deepEqual(await world.driver.listInterfaces(world.server.extras), []);
    },
  },
  {
    name: `${ROUNDS} rounds of transports and peers on one interface leave nothing of the earlier ones`,
    timeoutMs: TIMEOUT_MS,
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      await openAllSockets(dco, world);
      const deleted: number[] = [];
      const events = dco.events({ queueLimit: 4 * ROUNDS });
      const reading = (async () => {
        for await (const event of events) if (event.type === "peer-deleted") deleted.push(event.generation);
      })();
      const turn = async (round: number) => {
        const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
        for (const id of [1, 2]) {
          await dco.addPeer({ id, transport, remote: nowhere(id), vpn: { ipv4: `10.8.0.${id + 1}` } });
          await dco.installKey(id, { ...freshKey(round % 8), wipe: true });
        }
        if (round % 2 === 0) await dco.removePeers([1, 2]);
        await transport.close();
      };
      for (let round = 0; round < WARM_UP; round++) await turn(round);
      const leaks = await LeakCheck.begin();
      for (let round = 0; round < ROUNDS; round++) await turn(round);
      assert.deepEqual(await leaks.finish(), []);
      assert.deepEqual(await dco.peers(), []);
      await dco.close();
      await reading;
      assert.equal(deleted.length, 2 * (ROUNDS + WARM_UP));
      assert.equal(new Set(deleted).size, deleted.length, "each life ended once");
    },
  },
]);
