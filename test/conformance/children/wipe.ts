/**
 * A process that installs a key, and says so.
 *
 * Arguments: a JSON object { wipe, address, masked, mask }: the key is `masked` xor `mask`, so that it is in no
 * argument, and wiped by the SDK if `wipe` says so. Prints `installed`, and waits to be killed.
 */
import { randomBytes } from "node:crypto";
import { flushCompileCache } from "node:module";
import { openLinuxDriver } from "../../../src/linux/index.ts";

interface Order {
  readonly wipe: boolean;
  readonly address: string;
  readonly masked: string;
  readonly mask: string;
}

const { wipe, address, masked, mask } = JSON.parse(process.argv[2] as string) as Order;
const driver = await openLinuxDriver();
flushCompileCache();
const dco = await driver.createInterface({ mode: "multipeer" });
const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
const peer = { transport, remote: "192.0.2.99:1194" };
// The first key of a cipher takes another way to the kernel than later ones.
for (const id of [1, 2]) {
  await dco.addPeer({ ...peer, id, vpn: { ipv4: `10.8.0.${id}` } });
  const fresh = () => ({ key: randomBytes(32), nonceTail: randomBytes(8) });
  const cipher = "aes-256-gcm";
  const key = { slot: "primary", id: 0, cipher, encrypt: fresh(), decrypt: fresh(), wipe } as const;
  const known = id === 1 ? key.encrypt.key : key.decrypt.key;
  const [one, other] = [Buffer.from(masked, "hex"), Buffer.from(mask, "hex")];
  for (let at = 0; at < known.length; at++) known[at] = (one[at] as number) ^ (other[at] as number);
  await dco.installKey(id, key);
  // Kept, so that what is not wiped is there.
  Object.assign(globalThis, { [`key${id}`]: key });
}
process.stdout.write("installed\n");
setInterval(() => {}, 1 << 30);
