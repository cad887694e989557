/** Shell examples: the program `dco`. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nowhere, vpnOf } from "../../../conformance/tunnel.ts";
import type { World } from "../../../conformance/world.ts";
import { runScript } from "../script.ts";
import type { Scene } from "../stage.ts";
import { inside } from "./routing.ts";

const CONFIG = "port 1194\ndev tun\nserver 10.8.0.0 255.255.255.0\ntopology subnet\n";
const DCO = join(dirname(fileURLToPath(import.meta.url)), "dco.mjs");

/** The interface of the shell examples, with one peer. */
async function openTun0(world: World): Promise<void> {
  const dco = await world.createInterface(world.server, { mode: "multipeer", name: "tun0" });
  await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
  const transport = await dco.openTransport({ protocol: "udp", local: "0.0.0.0:0" });
  await dco.addPeer({ id: 7, transport, remote: nowhere(7), vpn: vpnOf(7) });
}

export const cliScenes: readonly Scene[] = [
  {
    page: "cli.md",
    name: "completion is loaded, and installed",
    async run() {
      await runScript("cli/completion.sh", { files: { ".zsh/functions/keep": "" } });
    },
  },
  {
    page: "cli.md",
    name: "the first commands",
    kernel: true,
    async run({ world }) {
      await openTun0(world);
      mkdirSync("/etc/openvpn", { recursive: true });
      writeFileSync("/etc/openvpn/server.conf", CONFIG);
      try {
        const said = await runScript("cli/first.sh", { by: inside(world.server) });
        assert.match(said, /Data channel offload is usable here/);
        assert.match(said, /10\.8\.0\.7/);
      } finally {
        rmSync("/etc/openvpn/server.conf");
      }
    },
  },
  {
    page: "cli.md",
    name: "a peer is set up by commands",
    kernel: true,
    async run({ world }) {
      world.onClose(() => world.driver.deleteInterface("tun0", world.server.extras));
      const said = await runScript("cli/transport.sh", { by: inside(world.server) });
      assert.match(said, world.capabilities.readKeys ? /primary/ : /no keys/);
    },
  },
  {
    page: "cli.md",
    name: "a command and a program are traced",
    kernel: true,
    async run({ world }) {
      await openTun0(world);
      // A program that uses dcokit: the command line itself.
      const server = `process.argv.push("interfaces"); import(${JSON.stringify(DCO)});\n`;
      const files = { "server.js": server };
      const said = await runScript("cli/trace.sh", { by: inside(world.server), files });
      assert.match(said, /"message":"ovpn\S* (peer-get|get-peer)"/);
    },
  },
  {
    page: "statistics.md",
    name: "counters from the shell",
    kernel: true,
    async run({ world }) {
      await openTun0(world);
      const said = await runScript("statistics/look.sh", { by: inside(world.server) });
      assert.match(said, /"rxBytes"/);
    },
  },
  {
    page: "doctor.md",
    name: "the doctor finds nothing wrong",
    kernel: true,
    async run({ world }) {
      const said = await runScript("doctor/doctor.sh", { by: inside(world.server) });
      assert.match(said, /"usable":true/);
    },
  },
];
