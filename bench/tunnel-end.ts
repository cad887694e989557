/**
 * One end of a tunnel for bench/tunnel.ts, in the network namespace that it is started in. Prints "ready"; lives until
 * it is told to end.
 *
 *   node bench/tunnel-end.ts kernel|userspace 1|2 LOCAL REMOTE INNER_PREFIX MTU
 */
import { openDriver } from "../src/index.ts";
import { testKeys } from "../src/testing/index.ts";
import { openUserspaceDriver } from "../src/userspace/index.ts";

const [backend = "", number = "", local = "", remote = "", inner = "", mtu = ""] = process.argv.slice(2);

/** Both ends are to have the same; nothing secret goes through. */
const [one, two] = testKeys("the bench of tunnels", { cipher: "aes-256-gcm" });

async function createInterface() {
  if (backend === "kernel") return (await openDriver()).createInterface({ mode: "p2p" });
  return (await openUserspaceDriver()).createInterface({ mode: "p2p", device: "tun" });
}

const dco = await createInterface();
await dco.configure({ addresses: [`${inner}.${number}/24`], mtu: Number(mtu), up: true });
const transport = await dco.openTransport({ protocol: "udp", local, remote });
await dco.addPeer({ id: 1, transport, remote });
await dco.installKey(1, number === "1" ? one : two);
await dco.linkUp();
process.on("SIGTERM", () => void dco.close().then(() => process.exit(0)));
console.log("ready");
