import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RULES } from "../../../src/core/compatibility/rules.ts";
import {
  type CompatibilityPlatform,
  checkCompatibility,
  parseConfig,
  readConfig,
} from "../../../src/index.ts";
import { CONFIGURATIONS, LOGGED, TAKEN, writeConfiguration } from "../../openvpn/configurations.ts";

const check = (text: string, platform: CompatibilityPlatform = "linux") => {
  const [report] = checkCompatibility({ directives: parseConfig(text), platforms: [platform] });
  if (report === undefined) throw new Error("no report");
  return report;
};
const rules = (text: string, platform: CompatibilityPlatform, effect = "blocks") =>
  check(text, platform)
    .findings.filter((finding) => finding.effect === effect)
    .map(({ rule }) => rule);

const SERVER = "dev tun\nserver 10.8.0.0 255.255.255.0\n";
const CLIENT = "client\ndev tun\nremote vpn.example.org 1194\n";

describe("the configurations that real OpenVPN is started with", () => {
  it("are many, and half of them can use DCO", () => {
    const compatible = CONFIGURATIONS.filter(({ blocks }) => blocks.length === 0);
    expect(CONFIGURATIONS.length).toBeGreaterThanOrEqual(40);
    expect(compatible.length).toBeGreaterThanOrEqual(20);
    expect(new Set(CONFIGURATIONS.map(({ name }) => name)).size).toBe(CONFIGURATIONS.length);
  });

  it("have every reason that Linux has", () => {
    const linux = RULES.filter(({ effect, platforms }) => effect === "blocks" && platforms.includes("linux"));
    const told = new Set(CONFIGURATIONS.flatMap(({ blocks }) => blocks));
    // Without a device OpenVPN says nothing of DCO: it does not start.
    expect(linux.map(({ id }) => id).filter((id) => id !== "no-device" && !told.has(id))).toEqual([]);
    expect([...told].filter((id) => LOGGED[id] === undefined)).toEqual([]);
  });

  it.each(CONFIGURATIONS.map((each) => [each.name, each] as const))("%s", (_, configuration) => {
    const folder = mkdtempSync(join(tmpdir(), "dcokit-check-"));
    try {
      const directives = readConfig(writeConfiguration(folder, configuration));
      const [report] = checkCompatibility({
        directives,
        platforms: ["linux"],
        interfaces: { [TAKEN]: "dummy" },
      });
      const of = (wanted: string) =>
        report?.findings.filter(({ effect }) => effect === wanted).map(({ rule }) => rule);
      expect(report?.role).toBe(configuration.role);
      expect(of("blocks")).toEqual(configuration.blocks);
      expect(of("changes")).toEqual(configuration.changes ?? []);
      expect(report?.compatible).toBe(configuration.blocks.length === 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("findings", () => {
  it("have option, place, reason, replacement and source", () => {
    const text = `${SERVER}\nfragment 1200\n`;
    const [report] = checkCompatibility({
      directives: parseConfig(text, { file: "server.conf" }),
      platforms: ["linux"],
    });
    expect(report).toEqual({
      platform: "linux",
      role: "server",
      compatible: false,
      findings: [
        {
          rule: "fragment",
          effect: "blocks",
          option: "fragment",
          file: "server.conf",
          line: 4,
          reason: expect.stringContaining("kernel"),
          replacement: expect.stringContaining("tun-mtu"),
          source: "dco.c, dco_check_option_ce",
        },
      ],
    });
  });

  it("name what is missing, at the place that needs it", () => {
    expect(check(SERVER, "linux-dco-v2").findings).toMatchObject([
      { rule: "topology", option: "topology", value: "net30", line: 2 },
    ]);
  });

  it("have no words of blocks", () => {
    const text = `${CLIENT}<http-proxy-user-pass>\nuser\nhunter2\n</http-proxy-user-pass>\n`;
    const report = check(text);
    expect(report.findings).toMatchObject([{ rule: "http-proxy", option: "http-proxy-user-pass", line: 4 }]);
    expect(JSON.stringify(report)).not.toContain("hunter2");
  });

  it("give what to use instead on each platform", () => {
    const told = (platform: CompatibilityPlatform) =>
      check(`${CLIENT}shaper 1000`, platform).findings[0]?.replacement;
    expect(told("linux")).toContain("tc qdisc");
    expect(told("freebsd")).toContain("ipfw pipe");
    expect(told("windows")).toContain("New-NetQosPolicy");
  });
});

describe("platforms", () => {
  it("are all, if none is named", () => {
    const reports = checkCompatibility({ directives: parseConfig(CLIENT) });
    expect(reports.map(({ platform, compatible }) => [platform, compatible])).toEqual([
      ["linux", true],
      ["linux-dco-v2", true],
      ["freebsd", true],
      ["windows", true],
    ]);
  });

  it.each([
    ["TCP client", `${CLIENT}proto tcp-client`, { freebsd: ["tcp"] }],
    ["TCP by the remote", "client\ndev tun\nremote a 1 tcp4", { freebsd: ["tcp"] }],
    ["UDP by the remote", "client\ndev tun\nproto tcp\nremote a 1 udp", {}],
    ["TCP in one connection", `${CLIENT}<connection>\nremote a 1 tcp\n</connection>`, { freebsd: ["tcp"] }],
    [
      "TCP server",
      `${SERVER}topology subnet\nproto tcp-server`,
      { freebsd: ["tcp"], windows: ["tcp-server"] },
    ],
    [
      "two locals",
      `${SERVER}topology subnet\nlocal 10.0.0.1\nlocal 10.0.0.2`,
      { windows: ["several-locals"], "linux-dco-v2": ["several-locals"] },
    ],
    [
      "TCP by a local",
      `${SERVER}topology subnet\nlocal 10.0.0.1 1194 tcp-server`,
      { freebsd: ["tcp"], windows: ["tcp-server"] },
    ],
    ["a server of default topology", SERVER, { "linux-dco-v2": ["topology"] }],
    ["a bound device", `${CLIENT}bind-dev eth0`, { "linux-dco-v2": ["bind-dev"] }],
    [
      "no encryption and no authentication",
      `${CLIENT}auth none\ndata-ciphers none`,
      { linux: ["ciphers"], "linux-dco-v2": ["ciphers"], windows: ["ciphers"] },
    ],
    [
      "no encryption",
      `${CLIENT}data-ciphers none`,
      { linux: ["ciphers"], "linux-dco-v2": ["ciphers"], windows: ["ciphers"], freebsd: ["ciphers"] },
    ],
    [
      "no device",
      "client\nremote a",
      { linux: ["no-device"], "linux-dco-v2": ["no-device"], windows: ["no-device"], freebsd: ["no-device"] },
    ],
  ] as const)("%s", (_, text, expected: Partial<Record<CompatibilityPlatform, readonly string[]>>) => {
    for (const platform of ["linux", "linux-dco-v2", "freebsd", "windows"] as const) {
      expect(rules(text, platform), platform).toEqual(expected[platform] ?? []);
    }
  });

  it.each([
    ["user nobody", "linux", ["user"]],
    ["user nobody", "freebsd", ["user-freebsd"]],
    ["tun-mtu 9000", "windows", ["tun-mtu-windows"]],
    ["data-ciphers CHACHA20-POLY1305", "windows", ["chacha-windows-10"]],
    ["mssfix 0", "linux", []],
    ["mssfix", "freebsd", ["mssfix"]],
    ["mssfix", "windows", []],
    ["reneg-bytes 0", "linux", []],
    ["bind-dev eth0", "linux", ["bind-dev-routes"]],
    ["client-nat snat 10.0.0.0 255.0.0.0 10.1.0.0", "linux", ["client-nat"]],
    ["mtu-test", "linux", ["mtu-test"]],
  ] as const)("what changes: %s on %s", (line, platform, expected) => {
    expect(rules(`${CLIENT}${line}`, platform, "changes")).toEqual(expected);
  });

  it("a server that pushes compression is warned", () => {
    expect(rules(`${SERVER}push "comp-lzo yes"`, "linux", "changes")).toEqual(["pushed-compression"]);
    expect(rules(`${SERVER}push "compress migrate"`, "linux", "changes")).toEqual([]);
  });
});

describe("arguments", () => {
  it.each([
    [undefined, "options"],
    [{}, "directives"],
    [{ directives: [{ name: 1, args: [] }] }, "directives[0].name"],
    [{ directives: [{ name: "a", args: [1] }] }, "directives[0].args[0]"],
    [{ directives: [{ name: "a" }] }, "directives[0].args"],
    [{ directives: [{ name: "a", args: [], line: 0 }] }, "directives[0].line"],
    [{ directives: [{ name: "a", args: [], other: 1 }] }, "directives[0].other"],
    [
      { directives: [{ name: "a", args: [], block: [{ name: "b", args: [], block: [] }] }] },
      "directives[0].block[0].block",
    ],
    [{ directives: [], platforms: ["macos"] }, "platforms[0]"],
    [{ directives: [], interfaces: { a: 1 } }, "interfaces"],
    [{ directives: [], typo: 1 }, "typo"],
  ])("%j", (options, field) => {
    expect(() => checkCompatibility(options as never)).toThrow(
      expect.objectContaining({ code: "invalid", field }),
    );
  });

  it("may have names that objects have", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const text = `${CLIENT}${names.join("\n")}\nproto __proto__`;
    expect(check(text).compatible).toBe(true);
  });
});
