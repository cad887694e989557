/**
 * What a failed key verb leaves behind, and what its error says about it.
 */
import { expect, test } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import { freshKey, peer, setUp } from "./support.ts";

test("a key whose keepalive could not be armed is installed, and the error says so", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer({ ...peer(1, transport), keepalive: { interval: 10, timeout: 60 } });
  backend.failures.setPeer = new DcoError("system", "no memory", { effect: "none" });
  await expect(dco.installKey(1, freshKey())).rejects.toMatchObject({ code: "system", effect: "done" });
  expect(await dco.keys(1)).toMatchObject([{ slot: "primary", id: 0 }]);
  delete backend.failures.setPeer;
  await dco.installKey(1, freshKey("secondary", 1));
  expect(backend.log.at(-1)).toBe('setPeer 1 {"interval":10,"timeout":60}');
});

test("a slot that is known keeps its key id to itself, although another slot is not", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  await dco.installKey(1, freshKey("primary", 0));
  backend.failures.installKey = new DcoError("system", "lost", { effect: "unknown" });
  await expect(dco.installKey(1, freshKey("secondary", 1))).rejects.toMatchObject({ code: "system" });
  delete backend.failures.installKey;
  await expect(dco.installKey(1, freshKey("secondary", 0))).rejects.toMatchObject({
    code: "invalid",
    field: "id",
  });
});

test("after a swap whose outcome is unknown no slot is known", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  await dco.installKey(1, freshKey("primary", 0));
  await dco.installKey(1, freshKey("secondary", 1));
  backend.failures.swapKeys = new DcoError("system", "lost", { effect: "unknown" });
  await expect(dco.swapKeys(1)).rejects.toMatchObject({ code: "system" });
  expect(await dco.keys(1)).toEqual([]);
  await dco.deleteKey(1, "secondary");
  expect(backend.log.at(-1)).toBe("deleteKey 1 secondary");
});

test("a swap that the kernel refused leaves the slots as they were", async () => {
  const { dco, backend, transport } = await setUp();
  await dco.addPeer(peer(1, transport));
  await dco.installKey(1, freshKey("primary", 0));
  await dco.installKey(1, freshKey("secondary", 1));
  backend.failures.swapKeys = new DcoError("permission", "no", { effect: "none" });
  await expect(dco.swapKeys(1)).rejects.toMatchObject({ code: "permission" });
  expect(await dco.keys(1)).toMatchObject([{ id: 0 }, { id: 1 }]);
});
