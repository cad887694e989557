/**
 * What a driver cannot do it says at once, with the name of the capability.
 */
import assert from "node:assert/strict";
import type { Capabilities, CapabilityName } from "../../../src/core/capabilities.ts";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { stateOf } from "../refused.ts";
import { type End, openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

const NOWHERE = "192.0.2.99:1194";

/** A call that needs a capability, and whether the driver lacks it. */
interface Row {
  readonly capability: CapabilityName;
  readonly what: string;
  readonly lacks: (capabilities: Capabilities) => boolean;
  readonly call: (at: {
    readonly world: World;
    readonly end: End;
    readonly dco: DcoInterface;
    readonly transport: Transport;
  }) => Promise<unknown>;
}

/** The capability is false. */
const off = (name: CapabilityName) => (capabilities: Capabilities) => capabilities[name] === false;

const peer = (transport: Transport) => ({ id: 2, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } });

const ROWS: readonly Row[] = [
  ...(["udp", "tcp"] as const).flatMap((protocol): Row[] => [
    {
      capability: "transports",
      what: `openTransport over ${protocol}`,
      lacks: ({ transports }) => !transports.includes(protocol),
      call: ({ dco }) => dco.openTransport({ protocol, remote: NOWHERE }),
    },
    {
      capability: "listeners",
      what: `listen on ${protocol}`,
      lacks: ({ listeners }) => !listeners.includes(protocol),
      call: ({ dco, world }) => dco.listen({ protocol, local: `${world.server.ipv4}:0` }),
    },
  ]),
  {
    capability: "dualStack",
    what: "a dual-stack transport",
    lacks: off("dualStack"),
    call: ({ dco }) => dco.openTransport({ protocol: "udp", local: "[::]:0", dualStack: true }),
  },
  {
    capability: "adoptSocket",
    what: "a socket of the caller's",
    lacks: off("adoptSocket"),
    call: ({ dco }) => dco.openTransport({ protocol: "udp", adopt: { fd: 0 } }),
  },
  {
    capability: "deleteKey",
    what: "deleteKey",
    lacks: off("deleteKey"),
    call: ({ dco }) => dco.deleteKey(1, "primary"),
  },
  {
    capability: "setRemote",
    what: "another remote",
    lacks: off("setRemote"),
    call: ({ dco }) => dco.setPeer(1, { remote: NOWHERE }),
  },
  {
    capability: "setVpn",
    what: "another VPN address",
    lacks: off("setVpn"),
    call: ({ dco }) => dco.setPeer(1, { vpn: { ipv4: "10.8.0.9" } }),
  },
  {
    capability: "peerLocalAddress",
    what: "a peer's local address",
    lacks: off("peerLocalAddress"),
    call: ({ dco, transport, world }) => dco.addPeer({ ...peer(transport), local: world.server.ipv4 }),
  },
  {
    capability: "asymmetricPeerId",
    what: "another id on the wire",
    lacks: off("asymmetricPeerId"),
    call: ({ dco, transport }) => dco.addPeer({ ...peer(transport), txId: 7 }),
  },
  {
    capability: "peerRoutes",
    what: "routes of a peer",
    lacks: off("peerRoutes"),
    call: ({ dco, transport }) => dco.addPeer({ ...peer(transport), routes: ["10.77.0.0/24"] }),
  },
  {
    capability: "disarmKeepalive",
    what: "keepalive off",
    lacks: off("disarmKeepalive"),
    call: ({ dco }) => dco.setPeer(1, { keepalive: "off" }),
  },
  {
    capability: "bypassRoutes",
    what: "bypass",
    lacks: off("bypassRoutes"),
    call: ({ dco }) => dco.configure({ bypass: ["192.0.2.1"], up: false }),
  },
  {
    capability: "systemInterface",
    what: "addresses",
    lacks: off("systemInterface"),
    call: ({ dco }) => dco.configure({ addresses: ["10.8.0.1/24"], up: false }),
  },
  {
    capability: "systemInterface",
    what: "routes",
    lacks: off("systemInterface"),
    call: ({ dco }) => dco.configure({ routes: ["10.77.0.0/24"], mtu: 1300 }),
  },
  {
    capability: "adoptInterface",
    what: "adoptInterface",
    lacks: off("adoptInterface"),
    call: ({ dco, world }) => world.driver.adoptInterface(dco.name, world.server.extras),
  },
  {
    capability: "adoptInterface",
    what: "onExisting adopt",
    lacks: off("adoptInterface"),
    call: ({ dco, world }) =>
      world.driver.createInterface({
        mode: dco.mode,
        name: dco.name,
        onExisting: "adopt",
        ...world.server.extras,
      }),
  },
  {
    capability: "observe",
    what: "an observer",
    lacks: off("observe"),
    call: ({ dco, world }) =>
      world.driver.adoptInterface(dco.name, { role: "observer", ...world.server.extras }),
  },
];

export const unsupportedCases: Case[] = group("unsupported", [
  {
    name: "what the capabilities say no to fails at once, with the capability's name, and changes nothing",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const { dco, transport } = end;
      await dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.2" } });
      await dco.installKey(1, freshKey());
      const before = await stateOf(world, world.server, dco);
      for (const { capability, what, lacks, call } of ROWS) {
        if (!lacks(dco.capabilities)) continue;
        await rejects(() => call({ world, end, dco, transport }), "unsupported", { capability }).catch(
          (error: Error) => {
            error.message = `${what}: ${error.message}`;
            throw error;
          },
        );
      }
      assert.deepEqual(await stateOf(world, world.server, dco), before);
    },
  },
]);
