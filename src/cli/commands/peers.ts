/**
 * `dco peers`, `dco peer ...`, `dco stats`
 */
import type { Endpoint, PeerInfo, PeerStats } from "../../core/model.ts";
import { readKeepalive, readNumber, readPeerId, readVpn } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { openOwned, openWatched } from "../interfaces.ts";
import type { Column } from "../output.ts";
import { INTERFACE } from "./interfaces.ts";

export const PEER = { name: "PEER", help: "id of the peer" } as const;

/** An endpoint as text. */
export function endpoint(of: Endpoint | undefined): string | undefined {
  if (of === undefined) return undefined;
  return of.address.includes(":") ? `[${of.address}]:${of.port}` : `${of.address}:${of.port}`;
}

const COLUMNS: readonly Column<PeerInfo>[] = [
  { title: "peer", value: ({ id }) => id, right: true },
  { title: "tx id", value: ({ txId }) => txId, right: true },
  { title: "remote", value: ({ remote }) => endpoint(remote) },
  { title: "local", value: ({ local }) => endpoint(local) },
  {
    title: "vpn",
    value: ({ vpn }) => [vpn.ipv4, vpn.ipv6].filter((each) => each !== undefined).join(" ") || undefined,
  },
  {
    title: "keepalive",
    value: ({ keepalive }) => (keepalive === "off" ? "off" : `${keepalive.interval}:${keepalive.timeout}`),
  },
  {
    title: "keys",
    value: ({ keys }) =>
      keys.map(({ slot, id, cipher }) => `${slot} ${id ?? "?"} ${cipher ?? ""}`.trim()).join(", ") ||
      undefined,
  },
];

const list: Command = {
  words: ["peers"],
  summary: "list the peers of an interface, or one of them",
  positionals: [INTERFACE, { ...PEER, optional: true }],
  options: {},
  examples: ["dco peers tun0", "dco peers tun0 7 --json"],
  async run(context) {
    const { args, output, signal } = context;
    const id = args[1] === undefined ? undefined : readPeerId(args[1]);
    const dco = await openWatched(context, args[0]);
    const peers = id === undefined ? await dco.peers({ signal }) : [await dco.peer(id, { signal })];
    output.table(peers, COLUMNS, "no peers");
    return EXIT.ok;
  },
};

const set: Command = {
  words: ["peer", "set"],
  summary: "change a peer",
  positionals: [INTERFACE, PEER],
  options: {
    keepalive: { type: "string", value: "INTERVAL:TIMEOUT", help: "in seconds, or off" },
    remote: { type: "string", value: "ADDRESS:PORT", help: "where it is now (UDP)" },
    vpn: {
      type: "string",
      multiple: true,
      value: "ADDRESS",
      help: "its VPN address; once for IPv4, once for IPv6",
    },
    "tx-id": { type: "string", value: "ID", help: "the peer id in packets to it" },
  },
  examples: ["dco peer set tun0 7 --keepalive 10:60"],
  async run(context) {
    const { args, values, signal } = context;
    const id = readPeerId(args[1]);
    const [keepalive, remote, txId] = [values.text("keepalive"), values.text("remote"), values.text("tx-id")];
    const options = {
      ...(keepalive === undefined ? {} : { keepalive: readKeepalive(keepalive, "--keepalive") }),
      ...(remote === undefined ? {} : { remote }),
      ...(values.list("vpn").length > 0 ? { vpn: readVpn(values.list("vpn"), "--vpn") } : {}),
      ...(txId === undefined ? {} : { txId: readNumber(txId, "--tx-id", 0, 0xff_ff_fe) }),
    };
    const dco = await openOwned(context, args[0]);
    await dco.setPeer(id, options, { signal });
    return EXIT.ok;
  },
};

const remove: Command = {
  words: ["peer", "remove"],
  summary: "end a peer",
  positionals: [INTERFACE, PEER],
  options: {},
  examples: ["dco peer remove tun0 7"],
  async run(context) {
    const id = readPeerId(context.args[1]);
    const dco = await openOwned(context, context.args[0]);
    await dco.removePeer(id, { signal: context.signal });
    return EXIT.ok;
  },
};

const counters = (which: "tunnel" | "link"): Column<PeerStats>[] => [
  { title: `${which} rx bytes`, value: (row) => row[which]?.rxBytes, right: true },
  { title: "tx bytes", value: (row) => row[which]?.txBytes, right: true },
  { title: "rx packets", value: (row) => row[which]?.rxPackets, right: true },
  { title: "tx packets", value: (row) => row[which]?.txPackets, right: true },
];

const stats: Command = {
  words: ["stats"],
  summary: "counters of all peers: inside the tunnel, and on the link",
  positionals: [INTERFACE],
  options: {},
  examples: ["dco stats tun0", "dco stats tun0 --json | jq '.[] | [.id, .tunnel.rxBytes]'"],
  async run(context) {
    const dco = await openWatched(context, context.args[0]);
    const rows = await dco.stats({ signal: context.signal });
    const id = { title: "peer", value: (row: PeerStats) => row.id, right: true };
    context.output.table(rows, [id, ...counters("tunnel"), ...counters("link")], "no peers");
    return EXIT.ok;
  },
};

export const PEER_COMMANDS: readonly Command[] = [list, set, remove, stats];
