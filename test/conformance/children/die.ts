/**
 * A process that ends without closing anything, at a moment of its choice.
 *
 * Arguments: a JSON object { moment, name, address }. Prints `pid`, its process id, when it is about to.
 */
import { flushCompileCache } from "node:module";
import { openLinuxDriver } from "../../../src/linux/index.ts";
import { freshKey } from "../keys.ts";
import type { Moment } from "./moments.ts";

interface Order {
  readonly moment: Moment;
  readonly name: string;
  readonly address: string;
}

const { moment, name, address } = JSON.parse(process.argv[2] as string) as Order;
const REMOTE = "192.0.2.99:1194";

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

/** Waits for what the kernel says, or is asked; then dies, within the call that sends or has received it. */
let onWire: ((line: string) => void) | undefined;

/** @param lines any of them: the out-of-tree module has other words */
function dieAt(lines: string | readonly string[], count = 1): void {
  let seen = 0;
  onWire = (each) => {
    if ([lines].flat().includes(each) && ++seen === count) die();
  };
}

/** Dies some turns of the event loop later, while a thread of the pool waits for the kernel. */
function dieSoon(turns = 1): void {
  if (turns === 0) die();
  else setImmediate(() => dieSoon(turns - 1));
}

const driver = await openLinuxDriver({
  trace: ({ direction, message }) => {
    const { message: kind, request } = message as { message: string; request?: string };
    onWire?.(direction === "request" ? kind : `${kind} ${request}`);
  },
});
flushCompileCache();
process.stdout.write(`pid ${process.pid}\n`);

const create = () => driver.createInterface({ mode: "multipeer", name });

async function open() {
  const dco = await create();
  const events = dco.events();
  const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
  const peer = (id: number) => ({
    id,
    transport,
    remote: REMOTE,
    vpn: { ipv4: `10.8.${id >> 8}.${id & 255}` },
  });
  return { dco, events, transport, peer };
}

async function openWithPeers(count: number) {
  const opened = await open();
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  await opened.dco.addPeers(ids.map(opened.peer));
  await opened.dco.installKeys(ids.map((peer) => ({ peer, key: freshKey() })));
  return { ...opened, ids };
}

const MOMENTS: Record<Moment, () => Promise<unknown>> = {
  "before the link is made": async () => {
    dieAt("new-link");
    await create();
  },
  "while the link is made": async () => {
    void create();
    dieSoon();
    await new Promise(() => {});
  },
  "after the link was made": async () => {
    dieAt("error new-link");
    await create();
  },
  "after the link has got its name": async () => {
    dieAt("error new-link", 2);
    await create();
  },
  "while it is configured": async () => {
    const { dco } = await open();
    dieAt("new-addr", 2);
    await dco.configure({
      addresses: ["10.8.0.1/24", "fd00:8::1/64"],
      mtu: 1400,
      up: true,
      routes: ["10.9.0.0/16"],
    });
  },
  "after a peer was added": async () => {
    const { dco, peer } = await open();
    // The answer names the family only.
    dieAt(["error ovpn", "error ovpn-dco-v2"]);
    await dco.addPeer(peer(1));
  },
  "while a peer is removed": async () => {
    const { dco } = await openWithPeers(1);
    void dco.removePeer(1);
    dieSoon();
    await new Promise(() => {});
  },
  "while peers are added in bulk": async () => {
    const { dco, peer } = await open();
    dieAt(["ovpn peer-new", "ovpn-dco-v2 new-peer"], 100);
    await dco.addPeers(Array.from({ length: 300 }, (_, at) => peer(at + 1)));
  },
  "while peers are removed in bulk": async () => {
    const { dco, ids } = await openWithPeers(20);
    dieAt(["ovpn peer-del", "ovpn-dco-v2 del-peer"], 8);
    await dco.removePeers(ids);
  },
  "while it is closed": async () => {
    const { dco } = await openWithPeers(3);
    dieAt("del-link");
    void dco.close();
    dieSoon(2);
    await new Promise(() => {});
  },
  "by exit": async () => {
    const { dco } = await openWithPeers(2);
    void dco.removePeer(1);
    void dco.linkUp();
    process.exit(7);
  },
  "by an error that nobody handles": async () => {
    const { dco } = await openWithPeers(1);
    void dco.removePeer(1);
    setImmediate(() => {
      throw new Error("on purpose");
    });
  },
  "by having nothing to do": async () => {
    const { dco, transport, events } = await openWithPeers(1);
    await transport.close();
    // Neither a reader that waits nor an interface keeps the process.
    void events.next();
    void dco.linkUp();
  },
  "with everything open": async () => {
    const { dco } = await openWithPeers(2);
    await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
    await dco.listen({ protocol: "tcp", local: { address, port: 0 } });
    process.stdout.write("open\n");
    await new Promise(() => {});
  },
};

await MOMENTS[moment]();
