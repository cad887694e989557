/**
 * Bad input of the driver's verbs and of `configure`: refused with the field's name.
 */
import assert from "node:assert/strict";
import type {
  AdoptInterfaceOptions,
  CreateInterfaceOptions,
  InterfaceConfig,
} from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { SYSTEM } from "../needs.ts";
import { assertNoEffect, assertRefused, type Refusal } from "../refused.ts";
import type { World } from "../world.ts";

/** Names that Linux refuses (dev_valid_name, IFNAMSIZ, and what it keeps for its settings) or takes for a pattern. */
const REFUSED_NAMES: readonly unknown[] = [
  "",
  ".",
  "..",
  "sixteen-bytes-xx",
  "ten-äöü-äöü",
  "x".repeat(300),
  "a/b",
  "/",
  "a:b",
  "eth0:1",
  "a b",
  " ",
  "a\tb",
  "a\n",
  "a\u000bb",
  "a\fb",
  "a\rb",
  "a\u00a0b",
  // The second byte of this letter in UTF-8 is 0xA0, which is white space to the kernel.
  "à",
  "a\0b",
  "ovpn%d",
  "100%",
  "%",
  "%s",
  "all",
  "default",
  7,
  null,
  ["ovpn0"],
  Buffer.from("ovpn0"),
];

/** Unusual ones that Linux takes. */
const TAKEN_NAMES = ["x", "fifteen-bytes-x", "...", "-x", "a@b", "#", "é", "\u0001", "All", "0"];

const CONFIGS: readonly [what: string, config: unknown, field: string][] = [
  ["no object", undefined, "config"],
  ["null", null, "config"],
  ["an array", [], "config"],
  ["addresses as text", { addresses: "10.8.0.1/24" }, "addresses"],
  ["an address without a prefix length", { addresses: ["10.8.0.1"] }, "addresses[0]"],
  ["a prefix length of 33", { addresses: ["10.8.0.1/33"] }, "addresses[0]"],
  ["a prefix length of 129", { addresses: ["fd00::1/129"] }, "addresses[0]"],
  ["a prefix length of 0", { addresses: ["10.8.0.1/0"] }, "addresses[0]"],
  ["a negative prefix length", { addresses: ["10.8.0.1/-1"] }, "addresses[0]"],
  ["a prefix length with a leading zero", { addresses: ["10.8.0.1/024"] }, "addresses[0]"],
  ["a netmask", { addresses: ["10.8.0.1/255.255.255.0"] }, "addresses[0]"],
  ["a prefix length that is no number", { addresses: ["10.8.0.1/x"] }, "addresses[0]"],
  ["an address that is none", { addresses: ["10.8.0/24"] }, "addresses[0]"],
  ["an unspecified address", { addresses: ["0.0.0.0/24"] }, "addresses[0]"],
  ["a multicast address", { addresses: ["10.8.0.1/24", "ff02::1/64"] }, "addresses[1]"],
  ["the same address twice", { addresses: ["10.8.0.1/24", "10.8.0.1/24"] }, "addresses[1]"],
  ["a hole in the addresses", { addresses: new Array(1) }, "addresses[0]"],
  ["a fractional MTU", { mtu: 1400.5 }, "mtu"],
  ["an MTU that is no number", { mtu: Number.NaN }, "mtu"],
  ["an MTU as text", { mtu: "1400" }, "mtu"],
  ["an MTU that IPv6 does not take", { mtu: 1279, addresses: ["fd00::1/64"] }, "mtu"],
  ["up as text", { up: "yes" }, "up"],
  ["up as a number", { up: 1 }, "up"],
  ["routes as an object", { routes: {} }, "routes"],
  ["host bits in a route", { routes: ["10.20.0.1/16"] }, "routes[0]"],
  ["host bits in an IPv6 route", { routes: ["10.20.0.0/16", "fd00:20::1/48"] }, "routes[1]"],
  [
    "host bits in a route with a next hop",
    { routes: [{ destination: "10.20.0.1/16" }] },
    "routes[0].destination",
  ],
  ["a route to nowhere", { routes: ["default"] }, "routes[0]"],
  ["a route with a bad prefix length", { routes: ["10.20.0.0/33"] }, "routes[0]"],
  ["no destination", { routes: [{ via: "10.8.0.2" }] }, "routes[0].destination"],
  [
    "a next hop of another family",
    { routes: [{ destination: "10.20.0.0/16", via: "fd00::1" }] },
    "routes[0].via",
  ],
  ["an unspecified next hop", { routes: [{ destination: "10.20.0.0/16", via: "0.0.0.0" }] }, "routes[0].via"],
  ["a negative metric", { routes: [{ destination: "10.20.0.0/16", metric: -1 }] }, "routes[0].metric"],
  [
    "a metric over 32 bits",
    { routes: [{ destination: "10.20.0.0/16", metric: 2 ** 32 }] },
    "routes[0].metric",
  ],
  ["the same route twice", { routes: ["10.20.0.0/16", { destination: "10.20.0.0/16" }] }, "routes[1]"],
  ["a bypass that is no address", { bypass: ["server"] }, "bypass[0]"],
  ["a bypass with a prefix length", { bypass: ["192.0.2.0/24"] }, "bypass[0]"],
  ["a bad field next to good ones", { mtu: 1300, up: false, addresses: [], routes: ["x"] }, "routes[0]"],
];

function nameRefusals(world: World): Refusal[] {
  const { driver, server } = world;
  return REFUSED_NAMES.flatMap((bad) => {
    const name = bad as string;
    const what = JSON.stringify(bad)?.slice(0, 40);
    const create = (onExisting: "fail" | "adopt" | "replace") => () =>
      driver.createInterface({ mode: "p2p", name, onExisting, ...server.extras });
    return [
      ...(["fail", "adopt", "replace"] as const).map((onExisting) => ({
        what: `createInterface ${what} ${onExisting}`,
        field: "name",
        call: create(onExisting),
      })),
      {
        what: `adoptInterface ${what}`,
        field: "name",
        call: () => driver.adoptInterface(name, server.extras),
      },
      {
        what: `deleteInterface ${what}`,
        field: "name",
        call: () => driver.deleteInterface(name, server.extras),
      },
    ];
  });
}

export const badInterfaceCases = group("bad input", [
  {
    name: "interface names that Linux refuses are invalid, for create, adopt and delete",
    needs: ({ namespaces }) => (namespaces ? undefined : "these are the rules of Linux"),
    async run(world) {
      const before = await world.driver.listInterfaces(world.server.extras);
      await assertRefused(nameRefusals(world));
      assert.deepEqual(await world.driver.listInterfaces(world.server.extras), before);
    },
  },
  {
    name: "interface names that Linux refuses are refused by the system's own program too, the others taken",
    needs: ({ namespaces }) => (namespaces ? undefined : "these are the rules of Linux"),
    async run(world) {
      const texts = REFUSED_NAMES.filter(
        // An argument of a program holds no NUL; and a pattern is taken, for a pattern.
        (name): name is string => typeof name === "string" && !/[%\0]/.test(name),
      );
      const taken: string[] = [];
      for (const name of texts) {
        const quoted = `'${name}'`;
        await world.addInterface(world.server, quoted).then(
          () => taken.push(name),
          () => {},
        );
      }
      assert.deepEqual(taken, []);
      for (const name of TAKEN_NAMES) {
        const dco = await world.createInterface(world.server, { mode: "p2p", name });
        assert.equal(dco.name, name);
        const listed = await world.driver.listInterfaces(world.server.extras);
        assert.ok(listed.some((each) => each.name === name && each.index === dco.index));
        await dco.close();
      }
    },
  },
  {
    name: "bad options of createInterface and adoptInterface are invalid",
    async run(world) {
      const { driver, server } = world;
      const dco = await world.createInterface(server, { mode: "p2p" });
      const create: readonly [what: string, change: object, field: string][] = [
        ["no mode", { mode: undefined }, "mode"],
        ["another mode", { mode: "tap" }, "mode"],
        ["a mode as a number", { mode: 1 }, "mode"],
        ["another onExisting", { name: "dk-x", onExisting: "steal" }, "onExisting"],
        ["adopt without a name", { onExisting: "adopt" }, "onExisting"],
        ["replace without a name", { onExisting: "replace" }, "onExisting"],
        ["deleteOnClose as text", { deleteOnClose: "no" }, "deleteOnClose"],
        ["a signal that is none", { signal: { aborted: false } }, "signal"],
      ];
      const adopt: readonly [what: string, options: object, field: string][] = [
        ["another role", { role: "guest" }, "role"],
        ["another mode", { mode: "tap" }, "mode"],
        ["another fate of the peers", { peers: "drop" }, "peers"],
        ["an observer that flushes", { role: "observer", peers: "flush" }, "peers"],
        ["an observer that deletes", { role: "observer", deleteOnClose: true }, "deleteOnClose"],
        ["deleteOnClose as a number", { deleteOnClose: 0 }, "deleteOnClose"],
        ["a signal that is none", { signal: 7 }, "signal"],
      ];
      await assertNoEffect(world, server, dco, [
        ...create.map(([what, change, field]) => ({
          what: `createInterface with ${what}`,
          field,
          call: () =>
            driver.createInterface({ mode: "p2p", ...server.extras, ...change } as CreateInterfaceOptions),
        })),
        ...adopt.map(([what, options, field]) => ({
          what: `adoptInterface with ${what}`,
          field,
          call: () =>
            driver.adoptInterface(dco.name, { ...server.extras, ...options } as AdoptInterfaceOptions),
        })),
      ]);
    },
  },
  {
    name: "bad addresses, prefixes, MTUs and routes of configure are invalid, and nothing of the rest is done",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const config = { addresses: ["10.8.0.1/24", "fd00:8::1/64"], mtu: 1400, up: true };
      await world.configure(world.server, dco, config);
      if (world.capabilities.systemInterface) await dco.configure({ routes: ["10.21.0.0/16"] });
      const { min, max } = world.capabilities.mtu;
      const limits = [
        ["an MTU below the smallest", { mtu: min - 1 }, "mtu"],
        ["an MTU over the largest", { mtu: max + 1 }, "mtu"],
      ] as const;
      const refusals = [...CONFIGS, ...limits].map(([what, bad, field]) => ({
        what,
        field,
        call: () => dco.configure(bad as InterfaceConfig),
      }));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    ...SYSTEM,
    name: "an MTU that IPv6 does not take is invalid also when the address is there already, and the reverse",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], up: true });
      const before = await world.inspect(world.server, dco.name);
      const error = await dco.configure({ mtu: 1279 }).catch((error: unknown) => error as { code: string });
      assert.equal(error?.code, "invalid", "a smaller MTU would take the IPv6 address away");
      assert.equal((error as { field?: string }).field, "mtu");
      assert.deepEqual(await world.inspect(world.server, dco.name), before);
      await dco.configure({ mtu: 1279, addresses: ["10.8.0.1/24"] });
      const late = await dco
        .configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"] })
        .catch((error: unknown) => error as { code: string });
      assert.equal(late?.code, "invalid", "IPv6 needs a larger MTU first");
      assert.deepEqual((await world.inspect(world.server, dco.name))?.addresses, ["10.8.0.1/24"]);
      await dco.configure({ mtu: 1280, addresses: ["fd00:8::1/64"] });
      assert.deepEqual((await world.inspect(world.server, dco.name))?.addresses, ["fd00:8::1/64"]);
    },
  },
]);
