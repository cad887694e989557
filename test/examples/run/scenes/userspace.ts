/** Without a kernel: packets as a stream, and tests of one's own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { deriveDataKeys } from "../../../../src/core/key-derivation.ts";
import { openUserspaceDriver } from "../../../../src/userspace/index.ts";
import { called, example, type Scene } from "../stage.ts";
import { CIPHER, freshEkm } from "./ends.ts";

const TEST = "testing/session.test.ts";

/** A packet of IPv6 with nothing in it. */
const PACKET = Uint8Array.from({ length: 40 }, (_, at) => ({ 0: 0x60, 6: 59, 7: 64 })[at] ?? 0);

export const userspaceScenes: readonly Scene[] = [
  {
    page: "userspace.md",
    name: "a packet goes out, and another comes back",
    async run({ signal }) {
      const { askOnce } = example("userspace/stream.ts");
      const [ours, theirs] = freshEkm();
      await using driver = await openUserspaceDriver();
      const dco = await driver.createInterface({ mode: "p2p" });
      await dco.configure({ up: true });
      const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
      // It is found at its port by its first packet.
      await dco.addPeer({ id: 7, transport, remote: "127.0.0.1:9" });
      const keys = deriveDataKeys({ source: "tls-ekm", ekm: ours }, "server", CIPHER);
      await dco.installKey(7, { slot: "primary", id: 0, cipher: CIPHER, ...keys });
      dco.extras.packets.once("data", (packet: Uint8Array) => dco.extras.packets.write(packet));
      const remote = `127.0.0.1:${transport.local?.port}`;
      const answer = await askOnce(remote, { peerId: 7, ekm: theirs }, PACKET, signal);
      assert.deepEqual(Uint8Array.from(answer ?? []), PACKET);
    },
  },
  {
    page: "testing.md",
    name: "the page's own tests pass",
    async run() {
      called.add(TEST);
      const file = join(dirname(fileURLToPath(import.meta.url)), TEST.replace(/\.ts$/, ".mjs"));
      const { stdout } = await promisify(execFile)(process.execPath, ["--test-reporter=tap", file]);
      assert.match(stdout, /^# pass 3$/m);
      assert.match(stdout, /^# fail 0$/m);
    },
  },
];
