/**
 * The driver and its interfaces: create, list, adopt, delete, close.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { rejects } from "../expect.ts";

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
    name: "interfaces without a name are numbered by themselves",
    async run(world) {
      const made = await Promise.all(
        [1, 2, 3].map(() => world.createInterface(world.server, { mode: "p2p" })),
      );
      const names = made.map((dco) => dco.name);
      assert.equal(new Set(names).size, 3, names.join());
      assert.equal(new Set(made.map((dco) => dco.index)).size, 3);
    },
  },
  {
    name: "a name that is taken is refused with exists",
    async run(world) {
      await world.createInterface(world.server, { mode: "p2p", name: "dk-taken" });
      await rejects(world.createInterface(world.server, { mode: "p2p", name: "dk-taken" }), "exists", {
        effect: "none",
      });
    },
  },
]);
