/**
 * Does `dco check` agree with OpenVPN? Starts real OpenVPN with each configuration, and compares what it does and what
 * its log says about data channel offload with our verdict and reason. Run in a virtual machine by ci/openvpn/run.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkCompatibility, readConfig } from "../../src/index.ts";
import { eventually } from "../conformance/expect.ts";
import { run } from "../conformance/linux/command.ts";
import { createIdentity, type Identity } from "./certificates.ts";
import { Checks } from "./checks.ts";
import { CONFIGURATIONS, type Configuration, LOGGED, TAKEN, writeConfiguration } from "./configurations.ts";

/** Time for a start of OpenVPN in an emulated machine. */
const START_MS = 60_000;

const { values } = parseArgs({
  options: {
    version: { type: "string", default: "" },
    openvpn: { type: "string", default: "openvpn" },
    openssl: { type: "string", default: "openssl" },
    filter: { type: "string", default: "" },
  },
});

async function main(): Promise<number> {
  console.log(`# kernel ${release()}`);
  console.log(`# OpenVPN ${values.version}`);
  const folder = mkdtempSync(join(tmpdir(), "dcokit-check-"));
  const checks = new Checks();
  checks.topic = "dco check";
  try {
    const identity = await createIdentity(values.openssl, folder, "any");
    await run(values.openvpn, ["--genkey", "secret", join(folder, "static.key")]);
    await run("ip", ["link", "set", "lo", "up"]);
    await run("ip", ["link", "add", TAKEN, "type", "dummy"]);
    const chosen = CONFIGURATIONS.filter(({ name }) => name.includes(values.filter));
    for (const configuration of chosen) {
      await checks.check(configuration.name, () => compare(folder, configuration, identity));
    }
    const compatible = chosen.filter(({ blocks }) => blocks.length === 0).length;
    console.log(`# ${chosen.length} configurations, of which ${compatible} can use DCO`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return checks.conclude();
}

async function compare(folder: string, configuration: Configuration, identity: Identity): Promise<void> {
  const path = writeConfiguration(folder, configuration, credentials(identity));
  const directives = readConfig(path);
  const [report] = checkCompatibility({ directives, platforms: ["linux"], interfaces: { [TAKEN]: "dummy" } });
  assert.ok(report);
  const log = await openvpn(folder, path, configuration);
  const shown = log.slice(-25).join("\n");
  if (report.compatible) {
    assert.ok(!log.some((line) => /disabl\w+ data channel offload/i.test(line)), shown);
    assert.ok(
      log.some((line) => line.startsWith("  disable_dco = DISABLED")),
      shown,
    );
    // A client opens its device when the server has told it how.
    if (report.role !== "client")
      assert.ok(
        log.some((line) => /DCO device \S+ opened/.test(line)),
        shown,
      );
    return;
  }
  const blocking = report.findings.filter(({ effect }) => effect === "blocks");
  assert.ok(
    log.some((line) => line.startsWith("  disable_dco = ENABLED") || isReason(line)),
    shown,
  );
  // OpenVPN stops at the first reason; we tell all.
  const reasons = Object.entries(LOGGED).filter(([, text]) => log.some((line) => text.test(line)));
  const known = reasons.filter(([rule]) => rule !== "disabled" || reasons.length === 1).map(([rule]) => rule);
  assert.ok(
    blocking.some(({ rule }) => known.includes(rule)),
    `ours: ${blocking.map(({ rule }) => rule)}; OpenVPN's: ${known}\n${shown}`,
  );
}

const isReason = (line: string) => Object.values(LOGGED).some((text) => text.test(line));

/** The log of OpenVPN until it has made up its mind, and has opened its device if it is to open one at once. */
async function openvpn(folder: string, path: string, { role, blocks }: Configuration): Promise<string[]> {
  const file = join(folder, "openvpn.log");
  const output = openSync(file, "w");
  const child = spawn(values.openvpn, ["--config", path, "--verb", "4"], {
    cwd: folder,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  }).then(() => {
    over = true;
  });
  const read = () =>
    readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.replace(/^[\d-]+ [\d:]+ (us=\d+ )?/, ""));
  const last =
    blocks.length > 0 || role === "client" ? /^ {2}disable_dco = / : /(DCO|TUN\/TAP) device \S+ opened/;
  try {
    await eventually(
      `OpenVPN's decision about ${path}`,
      read,
      (lines) => over || lines.some((line) => last.test(line)),
      START_MS,
    );
  } finally {
    child.kill("SIGKILL");
    await ended;
    for (const device of devices(read())) await run("ip", ["link", "del", device]).catch(() => undefined);
  }
  return read();
}

/** What a killed OpenVPN leaves behind. */
function devices(log: readonly string[]): string[] {
  return log.flatMap((line) => /DCO device (\S+) opened/.exec(line)?.[1] ?? []);
}

function credentials({ certificate, key, fingerprint }: Identity): string[] {
  return [
    `<cert>\n${certificate.trim()}\n</cert>`,
    `<key>\n${key.trim()}\n</key>`,
    `<peer-fingerprint>\n${fingerprint}\n</peer-fingerprint>`,
  ];
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
