/**
 * The driver: interfaces are created, listed, deleted, and closed with it.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { rejects } from "../expect.ts";
import { FOREIGN } from "../needs.ts";
import { openTunnel } from "../tunnel.ts";

export const driverCases = group("driver", [
  {
    name: "an interface is created with the name and the mode that were asked for",
    async run(world) {
      const site = world.server;
      for (const mode of world.capabilities.modes) {
        const dco = await world.createInterface(site, { mode, name: `dk-${mode}` });
        assert.equal(dco.name, `dk-${mode}`);
        assert.equal(dco.mode, mode);
        assert.equal(dco.role, "owner");
        assert.equal(dco.closed, false);
        const listed = await world.driver.listInterfaces(site.extras);
        assert.equal(listed.find((each) => each.name === dco.name)?.index, dco.index);
        assert.ok(await world.inspect(site, dco.name), "the system has it");
      }
    },
  },
  {
    name: "interfaces without a name are numbered by themselves, also when created at the same time",
    async run(world) {
      const made = await Promise.all(
        [1, 2, 3].map(() => world.createInterface(world.server, { mode: "p2p" })),
      );
      assert.equal(new Set(made.map((dco) => dco.name)).size, 3, made.map((dco) => dco.name).join());
      if (world.capabilities.systemInterface) assert.equal(new Set(made.map((dco) => dco.index)).size, 3);
      for (const dco of made) assert.ok(await world.inspect(world.server, dco.name), `${dco.name} is there`);
    },
  },
  {
    name: "a name that is taken is refused with exists, whatever kind of interface has it",
    async run(world) {
      await world.createInterface(world.server, { mode: "p2p", name: "dk-taken" });
      const { systemInterface } = world.capabilities;
      if (systemInterface) await world.addOtherInterface(world.server, "dk-other");
      for (const name of systemInterface ? ["dk-taken", "dk-other"] : ["dk-taken"]) {
        await rejects(world.createInterface(world.server, { mode: "p2p", name }), "exists", {
          effect: "none",
        });
      }
    },
  },
  {
    name: "listInterfaces tells mode, MTU, state and owner",
    async run(world) {
      const site = world.server;
      const dco = await world.createInterface(site, { mode: "multipeer" });
      const find = async () =>
        (await world.driver.listInterfaces(site.extras)).find((each) => each.name === dco.name);
      const fresh = await find();
      assert.ok(fresh);
      const { owner, ...rest } = fresh;
      const mtu = world.capabilities.mtu.default;
      assert.deepEqual(rest, {
        name: dco.name,
        index: dco.index,
        mode: "multipeer",
        mtu,
        up: false,
        linkUp: false,
      });
      assert.equal(owner?.pid, process.pid);
      assert.equal(owner?.alive, true);
      assert.match(owner?.startTime ?? "", /^\d+$/);
      await dco.configure({ mtu: mtu - 100, up: true });
      const raised = await find();
      assert.deepEqual([raised?.mtu, raised?.up, raised?.linkUp], [mtu - 100, true, true]);
    },
  },
  {
    ...FOREIGN,
    name: "listInterfaces tells interfaces of others without an owner, and nothing of other kinds",
    async run(world) {
      await world.addInterface(world.server, "dk-foreign");
      await world.addOtherInterface(world.server, "dk-other");
      const listed = await world.driver.listInterfaces(world.server.extras);
      assert.deepEqual(
        listed.map((each) => [each.name, each.owner]),
        [["dk-foreign", undefined]],
      );
    },
  },
  {
    name: "deleteInterface deletes an interface that somebody else made",
    async run(world) {
      await world.addInterface(world.server, "dk-foreign");
      await world.driver.deleteInterface("dk-foreign", world.server.extras);
      assert.equal(await world.inspect(world.server, "dk-foreign"), undefined);
    },
  },
  {
    ...FOREIGN,
    name: "deleteInterface of no interface is not-found, and of another kind invalid",
    async run(world) {
      const { extras } = world.server;
      await rejects(world.driver.deleteInterface("dk-none", extras), "not-found", { effect: "none" });
      await world.addOtherInterface(world.server, "dk-other");
      await rejects(world.driver.deleteInterface("dk-other", extras), "invalid", {
        field: "name",
        effect: "none",
      });
      assert.ok(await world.inspect(world.server, "dk-other"), "it is still there");
    },
  },
  {
    name: "close deletes the interface that was created",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      await dco.close();
      assert.equal(dco.closed, true);
      assert.equal(await world.inspect(world.server, dco.name), undefined);
    },
  },
  {
    name: "close leaves a created interface if deleteOnClose is false, or that is unsupported",
    async run(world) {
      const { survivesProcess, systemInterface, tunDevice } = world.capabilities;
      const making = () => world.createInterface(world.server, { mode: "p2p", deleteOnClose: false });
      if (!survivesProcess && (!systemInterface || tunDevice)) {
        await rejects(making, "unsupported", { capability: "survivesProcess", effect: "none" });
        assert.deepEqual(await world.driver.listInterfaces(world.server.extras), []);
        return;
      }
      const dco = await making();
      await dco.close();
      assert.ok(await world.inspect(world.server, dco.name));
    },
  },
  {
    name: "closing the driver closes its interfaces and transports, and deletes what it created",
    async run(world) {
      const other = await world.openDriver();
      const site = world.server;
      const made = await other.createInterface({ mode: "p2p", ...site.extras });
      const another = await world.createInterface(site, { mode: "multipeer" });
      // Without adoption: one that is another driver's.
      const adopted = world.capabilities.adoptInterface
        ? await other.adoptInterface(another.name, site.extras)
        : undefined;
      const transport = await made.openTransport({ protocol: "udp", local: `${site.ipv4}:0` });
      await other.close();
      assert.deepEqual([made.closed, adopted?.closed ?? true, transport.closed], [true, true, true]);
      assert.equal(await world.inspect(site, made.name), undefined);
      assert.ok(await world.inspect(site, another.name), "what it did not create stays");
      await rejects(other.listInterfaces(site.extras), "closed");
      await rejects(other.createInterface({ mode: "p2p", ...site.extras }), "closed", { effect: "none" });
    },
  },
  {
    name: "cleanUp leaves interfaces of living processes and of others alone",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "p2p" });
      await world.addInterface(world.server, "dk-foreign");
      assert.deepEqual(await world.driver.cleanUp(world.server.extras), []);
      assert.ok(await world.inspect(world.server, dco.name));
      assert.ok(await world.inspect(world.server, "dk-foreign"));
    },
  },
  {
    name: "two drivers work side by side",
    async run(world) {
      const other = await world.openDriver();
      await openTunnel(world);
      const site = world.clients[2];
      const dco = await other.createInterface({ mode: "p2p", ...site.extras });
      await other.close();
      assert.equal(dco.closed, true);
      const [listed] = await world.driver.listInterfaces(world.clients[0].extras);
      assert.ok(listed, "the first driver's interface is still there");
    },
  },
]);
