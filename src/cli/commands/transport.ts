/**
 * `dco transport`: the socket of peers, held as long as the command runs.
 */
import type { DcoInterface, Listener, Transport } from "../../core/contract.ts";
import { type AddPeerOptions, type DcoEvent, MAX_PEER_ID, type TransportProtocol } from "../../core/model.ts";
import { readMode, readNumber, readVpn, readWord } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";
import { openOwned } from "../interfaces.ts";
import { INTERFACE } from "./interfaces.ts";
import { endpoint } from "./peers.ts";

type Peer = Omit<AddPeerOptions, "transport">;

const PEER_FIELDS = ["id", "remote", "vpn", "tx", "local", "route"];

/** `id=7,remote=192.0.2.1:1194,vpn=10.8.0.2`; `vpn` and `route` may be repeated. */
export function readPeer(text: string): Peer {
  const pairs = text.split(",").map((each) => /^([a-z]+)=(.+)$/.exec(each) ?? []);
  const unknown = pairs.find(([, name]) => name === undefined || !PEER_FIELDS.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `--peer must be id=NUMBER with any of ${PEER_FIELDS.slice(1).join(", ")}, as NAME=VALUE,...`,
    );
  }
  const all = (wanted: string) =>
    pairs.filter(([, name]) => name === wanted).map(([, , value]) => value as string);
  const one = (wanted: string) => {
    const values = all(wanted);
    if (values.length > 1) throw new UsageError(`--peer: ${wanted} is given twice`);
    return values[0];
  };
  const [remote, local, tx] = [one("remote"), one("local"), one("tx")];
  return {
    id: readNumber(one("id") ?? "", "--peer: id", 0, MAX_PEER_ID),
    ...(remote === undefined ? {} : { remote }),
    ...(local === undefined ? {} : { local }),
    ...(tx === undefined ? {} : { txId: readNumber(tx, "--peer: tx", 0, MAX_PEER_ID) }),
    ...(all("vpn").length > 0 ? { vpn: readVpn(all("vpn"), "--peer: vpn") } : {}),
    ...(all("route").length > 0 ? { routes: all("route") } : {}),
  };
}

const command: Command = {
  words: ["transport"],
  summary: "open the socket of peers, add them, and hold it until Ctrl-C",
  details: [
    "A socket lives as long as the process that has it, so this command runs until it is stopped; keys, keepalive and",
    "everything else are then set by other commands. It says `ready` when all peers are there. When it ends, its peers end.",
    "With --listen the first connections become the peers, in their order. Control packets are counted and dropped.",
    "It ends by itself when its last peer has ended, or the interface is gone.",
  ],
  positionals: [INTERFACE],
  options: {
    peer: {
      type: "string",
      multiple: true,
      value: "id=NUMBER,...",
      help: "a peer: id, and any of remote, vpn, tx, local, route; may be repeated",
    },
    protocol: { type: "string", value: "PROTOCOL", choices: ["udp", "tcp"], help: "udp (default) or tcp" },
    local: { type: "string", value: "ADDRESS:PORT", help: "where it is bound" },
    remote: {
      type: "string",
      value: "ADDRESS:PORT",
      help: "where peers are that name none; TCP connects to it",
    },
    listen: { type: "boolean", help: "TCP: wait for a connection for each peer; needs --local" },
    mark: { type: "string", value: "NUMBER", help: "Linux: mark of what it sends" },
    device: { type: "string", value: "NAME", help: "Linux: the only interface that it uses" },
    create: {
      type: "string",
      value: "MODE",
      choices: ["p2p", "multipeer"],
      help: "make the interface, and delete it at the end",
    },
  },
  examples: [
    "dco transport tun0 --local 0.0.0.0:1194 --peer id=7,remote=192.0.2.7:1194,vpn=10.8.0.7",
    "dco transport tun0 --create p2p --remote 192.0.2.1:1194 --peer id=0",
    "dco transport tun0 --protocol tcp --listen --local [::]:1194 --peer id=1,vpn=10.8.0.2 --peer id=2,vpn=10.8.0.3",
  ],
  async run(context) {
    const { values, output, signal } = context;
    const peers = values.list("peer").map(readPeer);
    if (peers.length === 0)
      throw new UsageError("--peer is missing: a transport without peers carries nothing");
    const protocol = readWord(values.text("protocol") ?? "udp", "--protocol", ["udp", "tcp"]);
    const dco = await openInterface(context);
    const closing: (() => Promise<void>)[] = [];
    try {
      const events = dco.events({ signal });
      const transports = await attach(context, dco, protocol, peers, closing);
      const local = [...new Set(transports.map((each) => endpoint(each.local)))];
      output.value({ type: "ready", interface: dco.name, peers: peers.map(({ id }) => id), local });
      output.line(`ready: ${dco.name}, ${peers.length} peers on ${local.join(", ")}`);
      await untilOver(context, events, peers.length);
      return EXIT.ok;
    } finally {
      for (const close of closing.reverse()) await close();
      await dco.close();
    }
  },
};

async function openInterface(context: Context): Promise<DcoInterface> {
  const { values, args, place, signal } = context;
  const create = values.text("create");
  if (create === undefined) return openOwned(context, args[0]);
  const driver = await context.driver();
  return driver.createInterface({
    mode: readMode(create, "--create"),
    name: args[0] ?? "",
    ...place,
    signal,
  });
}

/** UDP: one socket for all. TCP: a connection for each. */
async function attach(
  context: Context,
  dco: DcoInterface,
  protocol: TransportProtocol,
  peers: readonly Peer[],
  closing: (() => Promise<void>)[],
): Promise<Transport[]> {
  const { values, signal, place, output } = context;
  const [local, remote, mark, device] = [
    values.text("local"),
    values.text("remote"),
    values.text("mark"),
    values.text("device"),
  ];
  const common = {
    ...place,
    signal,
    ...(mark === undefined ? {} : { mark: readNumber(mark, "--mark", 0, 0xffff_ffff) }),
    ...(device === undefined ? {} : { device }),
  };
  const hold = <T extends Transport | Listener>(opened: T): T => {
    closing.push(() => opened.close());
    return opened;
  };
  if (values.flag("listen")) {
    if (protocol !== "tcp" || local === undefined)
      throw new UsageError("--listen needs --protocol tcp and --local");
    const listener = hold(await dco.listen({ protocol, local, ...common }));
    output.value({ type: "listening", local: endpoint(listener.local) });
    output.line(`listening on ${endpoint(listener.local)}`);
    return accept(context, dco, listener, peers, hold);
  }
  if (protocol === "tcp" && peers.length > 1) {
    throw new UsageError("a TCP connection carries one peer: use one command for each, or --listen");
  }
  const transport = hold(
    await dco.openTransport({
      protocol,
      ...(local === undefined ? {} : { local }),
      ...(remote === undefined ? {} : { remote }),
      ...common,
    }),
  );
  for (const peer of peers) await dco.addPeer({ ...peer, transport }, { signal });
  return [transport];
}

async function accept(
  { signal }: Context,
  dco: DcoInterface,
  listener: Listener,
  peers: readonly Peer[],
  hold: (transport: Transport) => Transport,
): Promise<Transport[]> {
  const transports: Transport[] = [];
  const stop = () => void listener.close().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const transport of listener) {
      const peer = peers[transports.length] as Peer;
      transports.push(hold(transport));
      await dco.addPeer({ ...peer, transport }, { signal });
      if (transports.length === peers.length) break;
    }
    signal.throwIfAborted();
    return transports;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Until it is stopped, or there is nothing left to hold a socket for. */
async function untilOver({ output }: Context, events: AsyncIterable<DcoEvent>, peers: number): Promise<void> {
  let left = peers;
  for await (const event of events) {
    if (event.type === "peer-deleted") {
      output.value(event);
      output.line(`peer ${event.peer} has ended: ${event.reason}`);
      left--;
    }
    if (left === 0 || event.type === "interface-removed" || event.type === "closed") return;
  }
}

export const TRANSPORT_COMMANDS: readonly Command[] = [command];
