/**
 * No right, and no module.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { DcoErrorCode } from "../../../src/core/errors.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { Child } from "../linux/child.ts";
import { run } from "../linux/command.ts";
import { LINUX_ONLY, namespaceOf } from "../linux/raw.ts";
import type { World } from "../world.ts";

/** One line of children/unprivileged.ts. */
export interface Tried {
  readonly operation: string;
  readonly done?: true;
  readonly error?: { readonly code: DcoErrorCode; readonly message: string; readonly effect?: string };
}

/** Runs the program to its end; what became of each verb. */
async function tryAll(
  world: World,
  how: "user" | "namespace",
): Promise<{ tried: Map<string, Tried>; lost: number }> {
  const [site, elsewhere] =
    how === "user" ? [world.server, world.clients[0]] : [world.clients[1], world.clients[2]];
  const order = { how, address: site.ipv4, name: NAME, namespace: namespaceOf(elsewhere) };
  const by = how === "namespace" ? ["unshare", "--user", "--map-root-user", "--net"] : [];
  const child = new Child(world, site, "unprivileged", order, { by });
  const end = await child.end("the process without the right");
  assert.deepEqual(end, { code: 0, signal: null }, child.stderr);
  assert.deepEqual(
    JSON.parse(await child.told("closed")),
    [true, true],
    "interface and transport are closed",
  );
  const lost = Number(await child.told("lost"));
  return { tried: readTried(child.lines), lost };
}

/** What the program says became of each verb. */
export function readTried(lines: readonly string[]): Map<string, Tried> {
  const tried = lines.flatMap((line) =>
    line.startsWith("verb ") ? [JSON.parse(line.slice(5)) as Tried] : [],
  );
  return new Map(tried.map((each) => [each.operation, each]));
}

/** Each of these verbs must have failed for want of the right, and have said which right. */
export function assertRefused(
  tried: ReadonlyMap<string, Tried>,
  operations: readonly string[],
  right: RegExp,
): void {
  for (const operation of operations) {
    const { done, error } = tried.get(operation) ?? {};
    assert.ok(!done && error, `${operation} was done`);
    assert.equal(error.code, "permission", `${operation}: ${error.message}`);
    assert.match(error.message, right, operation);
    assert.equal(error.effect, "none", operation);
  }
}

export function assertDone(tried: ReadonlyMap<string, Tried>, operations: readonly string[]): void {
  for (const operation of operations)
    assert.ok(tried.get(operation)?.done, `${operation}: ${tried.get(operation)?.error?.message}`);
}

/** Verbs of an interface that the kernel's module answers. */
export const PEER_VERBS = [
  "addPeer",
  "setPeer",
  "installKey",
  "swapKeys",
  "deleteKey",
  "keys",
  "peer",
  "peers",
  "stats",
  "removePeer",
];
const NAME = "dk-rights";
const RIGHT = /CAP_NET_ADMIN in the initial user namespace/;
const ELSEWHERE = /^namespace: .*CAP_SYS_ADMIN/;

/** Where a module can be taken away from the kernel without taking it from somebody. */
const needsOwnKernel = (capabilities: Capabilities) =>
  LINUX_ONLY.needs(capabilities) ??
  (process.env["DCOKIT_VM"] ? undefined : "the kernel's module is taken away only in the virtual machine");

const BLOCK = "/etc/modprobe.d/dcokit-no-ovpn.conf";

export const refusedRightsCases: Case[] = group("refusals", [
  {
    ...LINUX_ONLY,
    name: "without privilege every verb is permission, names the capability and the user namespace, and ends",
    timeoutMs: 120_000,
    async run(world) {
      const results = await Promise.all([tryAll(world, "user"), tryAll(world, "namespace")]);
      const [user, root] = results.map(({ tried }) => tried) as [Map<string, Tried>, Map<string, Tried>];
      // Told once by whom it was taken from; who never had it has not lost it.
      assert.deepEqual(
        results.map(({ lost }) => lost),
        [1, 0],
      );
      const changing = ["createInterface", "replace", "deleteInterface"];
      const asking = ["openDriver", "listInterfaces", "cleanUp", "close of the second driver"];

      assertRefused(user, [...PEER_VERBS, "configure", ...changing, "adoptInterface", "observe"], RIGHT);
      assertRefused(user, ["createInterface elsewhere"], ELSEWHERE);
      assertDone(user, asking);
      assert.equal(user.get("close")?.error?.code, "permission", "its interface could not be deleted");
      // It is left behind by a process that is over: what cleanUp is for.
      const removed = await world.driver.cleanUp(world.server.extras);
      assert.deepEqual(
        removed.map(({ name }) => name),
        [NAME],
      );

      // Root of a user namespace may have interfaces in its own network namespace, but no peers.
      assertRefused(root, ["addPeer", "peers", "stats", "adoptInterface", "observe"], RIGHT);
      assertRefused(root, ["createInterface elsewhere"], ELSEWHERE);
      assertDone(root, [...asking, ...changing, "configure", "close"]);
    },
  },
  {
    needs: needsOwnKernel,
    name: "without the module the driver is unavailable, and says what to install; with it, it loads by itself",
    async run(world) {
      mkdirSync("/etc/modprobe.d", { recursive: true });
      const { module } = world.driver.info;
      const loaded = `/sys/module/${module.replaceAll("-", "_")}`;
      writeFileSync(BLOCK, `install ${module} /bin/false\n`);
      try {
        await run("modprobe", ["-r", module]);
        assert.equal(existsSync(loaded), false);
        for (let tries = 0; tries < 2; tries++) {
          const error = await rejects(world.openDriver(), "unavailable", {
            operation: "openDriver",
            message: /no DCO module/,
          });
          for (const word of ["6.16", "ovpn-backports", "modprobe ovpn", "CONFIG_OVPN", "ovpn-dco-v2"]) {
            assert.ok(error.message.includes(word), `${word} in: ${error.message}`);
          }
        }
      } finally {
        rmSync(BLOCK);
      }
      // The module was not loaded since: asking for its family loads it.
      assert.equal(existsSync(loaded), false);
      const driver = await world.openDriver();
      assert.equal(existsSync(loaded), true);
      const dco = await driver.createInterface({ mode: "p2p", ...world.server.extras });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194" });
    },
  },
]);
