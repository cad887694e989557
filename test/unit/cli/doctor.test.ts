import { describe, expect, it } from "vitest";
import { type LinuxFacts, linuxChecks } from "../../../src/cli/doctor/linux.ts";
import { windowsChecks } from "../../../src/cli/doctor/other.ts";
import { CoreDriver } from "../../../src/core/driver.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { runDco } from "../support/dco-command.ts";
import { MemoryInterface, memoryDriver } from "../support/memory-backend.ts";

const ABSENT = { loaded: false, installed: false, version: undefined };
const LOADED = { loaded: true, installed: true, version: undefined };
const WELL: LinuxFacts = {
  node: "24.21.0",
  koffi: undefined,
  release: "7.3.4+deb13-amd64",
  ovpn: LOADED,
  legacy: ABSENT,
  first: ABSENT,
  modulesKnown: true,
  opened: { module: "ovpn", version: "7.3.4", reason: "the kernel has the generic netlink family ovpn" },
  effectiveUser: 0,
  netAdmin: true,
  initialUserNamespace: true,
  architecture: "x64",
  processor: ["fpu", "aes", "pclmulqdq"],
  leftovers: [],
};
const MISSING = { code: "unavailable", message: "this kernel has no DCO module" };

const results = (facts: Partial<LinuxFacts>) =>
  linuxChecks({ ...WELL, ...facts })
    .filter(({ result }) => result !== "ok")
    .map(({ id, result }) => `${id} ${result}`);

describe("the doctor on Linux", () => {
  it.each<[string, Partial<LinuxFacts>, string[]]>([
    ["all is well", {}, []],
    ["an old Node", { node: "20.19.0" }, ["node failed"]],
    [
      "an old kernel without a module",
      { release: "6.12.1", ovpn: ABSENT, opened: MISSING, leftovers: undefined },
      ["kernel warning", "module failed", "family failed", "leftovers skipped"],
    ],
    ["an old kernel with the backport", { release: "6.12.1", ovpn: { ...LOADED, version: "1.0" } }, []],
    [
      "a module that is not loaded",
      { ovpn: { ...LOADED, loaded: false }, opened: MISSING, leftovers: undefined },
      ["module failed", "family failed", "leftovers skipped"],
    ],
    ["a module that is built in", { ovpn: ABSENT }, []],
    [
      "the older module only, and a release that does not drive it",
      { ovpn: ABSENT, legacy: LOADED, opened: MISSING, leftovers: undefined },
      ["module failed", "family failed", "legacy warning", "leftovers skipped"],
    ],
    [
      "the older module only, and driven",
      {
        ovpn: ABSENT,
        legacy: LOADED,
        opened: { module: "ovpn-dco-v2", version: "0.2", reason: "it is there" },
      },
      ["module warning", "legacy warning"],
    ],
    ["both modules", { legacy: LOADED }, []],
    ["the first generation", { first: LOADED }, ["legacy warning"]],
    ["no right", { netAdmin: false, effectiveUser: 1000 }, ["privilege failed"]],
    ["a user namespace", { initialUserNamespace: false }, ["user-namespace failed"]],
    ["a processor without AES", { processor: ["fpu"] }, ["acceleration warning"]],
    ["a processor that is not known", { architecture: "riscv64" }, ["acceleration skipped"]],
    ["interfaces of the dead", { leftovers: ["tun0"] }, ["leftovers warning"]],
    [
      "no native calls",
      {
        koffi: "no binary",
        opened: { code: "unavailable", message: "koffi does not load" },
        ovpn: { ...LOADED, loaded: false },
        leftovers: undefined,
      },
      ["koffi failed", "module failed", "family skipped", "leftovers skipped"],
    ],
  ])("%s", (_, facts, expected) => expect(results(facts)).toEqual(expected));

  it("says what to do about everything that is not well", () => {
    const bad = linuxChecks({
      ...WELL,
      node: "20.0.0",
      koffi: "no binary",
      release: "6.1.0",
      ovpn: ABSENT,
      legacy: LOADED,
      opened: MISSING,
      netAdmin: false,
      initialUserNamespace: false,
      processor: ["fpu"],
      leftovers: ["tun0"],
    });
    for (const { id, result, remedy } of bad) {
      if (result === "failed" || result === "warning") expect(remedy, id).toBeTruthy();
    }
  });
});

describe("the doctor on Windows", () => {
  const asked = async (open: () => Promise<CoreDriver>) =>
    (await windowsChecks(open, undefined)).find(({ id }) => id === "module");

  it("finds the driver, or says what brings it", async () => {
    const there = async () => new CoreDriver(memoryDriver(new MemoryInterface("p2p", false)));
    expect(await asked(there)).toMatchObject({ result: "ok" });
    const missing = () => Promise.reject(new DcoError("unavailable", "there is no adapter of ovpn-dco"));
    expect(await asked(missing)).toEqual({
      id: "module",
      result: "failed",
      found: "there is no adapter of ovpn-dco",
      remedy: "Install OpenVPN 2.7 for Windows: it brings the driver ovpn-dco and makes an adapter.",
    });
  });
});

describe("dco doctor", () => {
  it("that is interrupted gives no answer", async () => {
    const stop = new AbortController();
    const open = () => {
      stop.abort();
      return Promise.reject(new DcoError("aborted", "openDriver: aborted"));
    };
    const { status, out } = await runDco(["doctor", "--json"], { open, signal: stop.signal });
    expect([status, out]).toEqual([130, ""]);
  });
});
