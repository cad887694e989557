/**
 * The snippet of README.md; test/unit/examples/readme.test.ts keeps the two the same.
 */
import { deriveDataKeys, openDriver } from "../src/index.ts";

export async function quickstart(ekm: Uint8Array): Promise<void> {
  // readme-begin
  const driver = await openDriver(); // this platform's kernel
  console.log(driver.info, driver.capabilities); // what it is, and what it really can do

  const dco = await driver.createInterface({ mode: "p2p" });
  await dco.configure({ addresses: ["10.8.0.2/24", "fd00:8::2/64"], mtu: 1400, up: true });

  const transport = await dco.openTransport({ protocol: "udp", remote: "192.0.2.1:1194" });
  // Your control channel talks over transport.send() and transport.packets(); then:
  await dco.addPeer({ id: 7, transport, keepalive: { interval: 10, timeout: 60 } });
  const keys = deriveDataKeys({ source: "tls-ekm", ekm }, "client", "aes-256-gcm");
  await dco.installKey(7, { slot: "primary", id: 0, cipher: "aes-256-gcm", ...keys, wipe: true });
  await dco.linkUp(); // from here on packets flow in the kernel

  for await (const event of dco.events()) {
    if (event.type === "peer-deleted") break; // expired, requested, transport-closed, ...
  }
  console.log(await dco.stats());
  await driver.close(); // nothing is left behind
  // readme-end
}
