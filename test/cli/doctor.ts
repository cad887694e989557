/**
 * `dco doctor` in each of the situations that it must tell apart, made for real in a virtual machine.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { run } from "../conformance/linux/command.ts";
import type { Checks } from "../openvpn/checks.ts";
import { dco, type StartOptions } from "./dco.ts";

interface Answer {
  readonly usable: boolean;
  readonly checks: readonly { id: string; result: string; found: string; remedy?: string }[];
}

/** Nobody. */
const USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** Its map of users is that of the initial user namespace, and it is another one. */
const ALL_USERS = `
unshare --user sleep 60 >/dev/null 2>&1 &
until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.1; done
for map in uid_map gid_map; do echo "0 0 4294967295" >"/proc/$!/$map"; done
exec nsenter --target $! --user "$@"`;

const MODULES = `/lib/modules/${release()}`;

/** Asks the doctor; each check that failed must say what to do. */
async function ask(options: StartOptions = {}): Promise<{ answer: Answer; result: (id: string) => string }> {
  const { status, out, err } = await dco(["doctor", "--json"], options);
  assert.ok(out.startsWith("{"), `status ${status}: ${out}${err}`);
  const answer = JSON.parse(out) as Answer;
  assert.equal(status, answer.usable ? 0 : 1, out);
  for (const { id, result, found, remedy } of answer.checks) {
    assert.ok(found.length > 0, id);
    if (result === "failed" || result === "warning") assert.ok(remedy, `${id} has no remedy: ${found}`);
  }
  const result = (id: string) => answer.checks.find((each) => each.id === id)?.result ?? `no check ${id}`;
  return { answer, result };
}

const problems = ({ checks }: Answer) =>
  checks.filter(({ result }) => result === "failed").map(({ id }) => id);

/** What this kernel has decides which situations there can be. */
export async function checkDoctor(checks: Checks): Promise<void> {
  checks.topic = "doctor";
  const list = readFileSync(`${MODULES}/modules.dep`, "utf8");
  if (/\/ovpn\.ko/m.test(list)) {
    await inTree(checks);
    checks.skip("legacy module only", "this kernel has the module ovpn; see docs/development.md");
  } else if (/\/ovpn[-_]dco[-_]v2\.ko/m.test(list)) {
    checks.skip("module and root, and what is made of it", "this kernel has no module ovpn");
    await checks.check("legacy module only", legacyOnly);
  } else {
    checks.skip("all situations", "this kernel has neither module");
  }
}

async function inTree(checks: Checks): Promise<void> {
  await checks.check("module and root", async () => {
    const { answer, result } = await ask();
    assert.deepEqual(problems(answer), []);
    for (const id of [
      "node",
      "koffi",
      "kernel",
      "module",
      "family",
      "privilege",
      "user-namespace",
      "leftovers",
    ]) {
      assert.equal(result(id), "ok", id);
    }
  });
  await checks.check("module without root", async () => {
    const { answer, result } = await ask({ by: USER });
    assert.deepEqual(problems(answer), ["privilege"]);
    assert.equal(result("module"), "ok");
    assert.equal(result("user-namespace"), "ok");
  });
  await checks.check("root in an unprivileged user namespace", async () => {
    const { answer, result } = await ask({ by: [...USER, "unshare", "--user", "--map-root-user"] });
    assert.deepEqual(problems(answer), ["user-namespace"]);
    assert.equal(result("privilege"), "ok");
  });
  await checks.check("root in a user namespace that has all users", async () => {
    const { answer, result } = await ask({ by: ["sh", "-c", ALL_USERS, "sh"] });
    assert.deepEqual(problems(answer), ["user-namespace"]);
    assert.equal(result("privilege"), "ok");
  });
  await checks.check("an interface of a dead process", async () => {
    await dco(["interface", "create", "doctor0"]);
    try {
      const { answer, result } = await ask();
      assert.equal(result("leftovers"), "warning");
      assert.ok(answer.usable);
    } finally {
      await dco(["interface", "delete", "doctor0"]);
    }
  });
  await checks.check("module installed and kept from loading", async () => {
    await withoutModule(async () => {
      const { answer, result } = await ask();
      assert.deepEqual(problems(answer), ["module", "family"]);
      assert.match(answer.checks.find(({ id }) => id === "module")?.remedy ?? "", /modprobe ovpn/);
      assert.equal(result("kernel"), "ok");
    });
  });
  await checks.check("no module", async () => {
    await withoutModule(async () => {
      const lists = await hideModule();
      try {
        const { answer, result } = await ask();
        assert.deepEqual(problems(answer), ["module", "family"]);
        assert.match(answer.checks.find(({ id }) => id === "module")?.found ?? "", /not installed/);
        assert.equal(result("privilege"), "ok");
      } finally {
        for (const list of lists) await run("umount", [list]);
      }
    });
  });
}

/** The kernel loads no module by itself meanwhile, and this one is not there. */
async function withoutModule(body: () => Promise<void>): Promise<void> {
  const helper = "/proc/sys/kernel/modprobe";
  const before = readFileSync(helper, "utf8").trim();
  writeFileSync(helper, "/bin/false");
  try {
    await run("modprobe", ["-r", "ovpn"]);
    assert.ok(!existsSync("/sys/module/ovpn"));
    await body();
  } finally {
    writeFileSync(helper, before);
  }
}

/** Takes the module out of the lists of this kernel's. */
async function hideModule(): Promise<string[]> {
  const path = `${MODULES}/modules.dep`;
  const without = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => !line.includes("/ovpn.ko"));
  writeFileSync("/tmp/modules.dep", without.join("\n"));
  await run("mount", ["--bind", "/tmp/modules.dep", path]);
  return [path];
}

async function legacyOnly(): Promise<void> {
  await run("modprobe", ["ovpn-dco-v2"]);
  const { answer, result } = await ask();
  assert.equal(result("legacy"), "warning");
  const used = result("family") === "ok";
  // Where the release drives the older module, that is enough; else the answer names it, and what to install.
  assert.equal(answer.usable, used);
  assert.equal(result("module"), used ? "warning" : "failed");
  assert.match(answer.checks.find(({ id }) => id === "legacy")?.found ?? "", /ovpn-dco-v2/);
  assert.equal(result("privilege"), "ok");
}
