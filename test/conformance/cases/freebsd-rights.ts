/**
 * Who may not, on FreeBSD.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { type Case, group } from "../case.ts";
import { FREEBSD_ONLY, programAt, runJailed } from "../freebsd/raw.ts";
import { assertDone, assertRefused, PEER_VERBS, readTried } from "./refused-rights.ts";

const NAME = "dk-rights";
const RIGHT = /only root may do this, outside of jails or in a VNET jail/;
const CHANGING = ["createInterface", "replace", "deleteInterface", "adoptInterface"];
const ASKING = ["openDriver", "listInterfaces", "cleanUp", "close of the second driver"];

export const freebsdRightsCases: Case[] = group("refusals", [
  {
    ...FREEBSD_ONLY,
    name: "who gives up being root is refused every verb with permission, is told once, and leaves what cleanUp removes",
    timeoutMs: 120_000,
    async run(world) {
      const { server } = world;
      const lines = await programAt(server, "unprivileged", {
        how: "user",
        address: server.ipv4,
        name: NAME,
      });
      const tried = readTried(lines);
      assertRefused(tried, [...PEER_VERBS, "configure", ...CHANGING], RIGHT);
      assertDone(tried, ASKING);
      assert.equal(tried.get("close")?.error?.code, "permission", "its interface could not be deleted");
      assert.ok(lines.includes("lost 1"), lines.join("\n"));
      assert.ok(lines.includes("closed [true,true]"), lines.join("\n"));
      const removed = await world.driver.cleanUp(server.extras);
      assert.deepEqual(
        removed.map(({ name }) => name),
        [NAME],
      );
    },
  },
  {
    ...FREEBSD_ONLY,
    name: "root of a jail without a network stack of its own is refused with permission, and changes nothing",
    timeoutMs: 120_000,
    async run(world) {
      const dco = await world.driver.createInterface({ mode: "multipeer", name: NAME });
      world.onClose(() => dco.close());
      const lines = await runJailed("unprivileged", { how: "jail", address: "127.0.0.1", name: NAME });
      const tried = readTried(lines);
      assertRefused(tried, CHANGING, RIGHT);
      assertDone(tried, ASKING);
      assert.equal(dco.closed, false);
      assert.deepEqual(await dco.peers(), []);
    },
  },
]);

/** References that the kernel counts to the file of the module; undefined where it is part of the kernel. */
function moduleReferences(): number | undefined {
  const found = /^\s*\d+\s+(\d+)\s.*if_ovpn\.ko$/m.exec(execFileSync("kldstat", { encoding: "utf8" }));
  return found ? Number(found[1]) : undefined;
}

/** For the end, when interfaces were made and closed by the hundred. */
export const freebsdModuleCases: Case[] = group("endurance", [
  {
    name: "after all that, the kernel counts one reference to its module: that of who loaded it",
    needs: () =>
      FREEBSD_ONLY.needs() ??
      (moduleReferences() === undefined ? "the module is part of the kernel" : undefined),
    async run() {
      assert.equal(moduleReferences(), 1);
    },
  },
]);
