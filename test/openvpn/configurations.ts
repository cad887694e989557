/**
 * Configurations of OpenVPN, and what `dco check` is to say of each: at least half of them can use DCO.
 *
 * `test/unit/compatibility` reads them without OpenVPN; `test/openvpn/compatibility.ts` starts OpenVPN with each.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** One configuration. */
export interface Configuration {
  readonly name: string;
  /** What stands in the file, after what every configuration of its role has. */
  readonly lines: readonly string[];
  readonly role: "server" | "client" | "p2p";
  /** The rules that stand in the way on Linux; none: DCO is used. */
  readonly blocks: readonly string[];
  /** The rules that say what changes. */
  readonly changes?: readonly string[];
  /** Files beside it, to be included. */
  readonly files?: Readonly<Record<string, readonly string[]>>;
}

/** The name of an interface that is there already, and is no DCO interface. */
export const TAKEN = "vpn7";

/** What all of a role have; certificates come on top. */
export const COMMON: Readonly<Record<Configuration["role"], readonly string[]>> = {
  server: ["dh none", "port 1194"],
  client: ["client", "nobind", "connect-retry 60 60"],
  p2p: ["ifconfig 10.9.0.1 10.9.0.2"],
};

const SERVER = ["dev tun", "proto udp4", "server 10.8.0.0 255.255.255.0"];
const CLIENT = ["dev tun", "proto udp4", "remote 127.0.0.1 1195"];
const TCP_CLIENT = ["dev tun", "proto tcp4-client", "remote 127.0.0.1 1195"];
const P2P = ["dev tun", "proto udp4", "remote 127.0.0.1 1195"];

const server = (name: string, lines: readonly string[], blocks: readonly string[] = []) =>
  ({ name: `server, ${name}`, role: "server", lines: [...SERVER, ...lines], blocks }) as const;
const client = (name: string, lines: readonly string[], blocks: readonly string[] = []) =>
  ({ name: `client, ${name}`, role: "client", lines: [...CLIENT, ...lines], blocks }) as const;
const p2p = (name: string, lines: readonly string[], blocks: readonly string[] = []) =>
  ({ name: `p2p, ${name}`, role: "p2p", lines: [...P2P, ...lines], blocks }) as const;

export const CONFIGURATIONS: readonly Configuration[] = [
  server("as simple as can be", []),
  { ...server("TCP", []), lines: ["dev tun", "proto tcp4-server", "server 10.8.0.0 255.255.255.0"] },
  server("IPv6 in the tunnel", ["server-ipv6 fd00:8::/64"]),
  server("UDP and TCP at once", ["local 127.0.0.1 1194 udp4", "local 127.0.0.1 1194 tcp4-server"]),
  { ...server("clients among themselves", ["client-to-client"]), changes: ["client-to-client"] },
  server("other ciphers of DCO", ["data-ciphers AES-128-GCM:AES-192-GCM"]),
  server("ciphers in small letters", ["data-ciphers aes-256-gcm:chacha20-poly1305"]),
  server("an optional cipher that nobody has", ["data-ciphers AES-256-GCM:?NO-SUCH-CIPHER"]),
  server("the default ciphers and one more", ["data-ciphers DEFAULT:AES-192-GCM"]),
  server("a fallback that DCO has", ["data-ciphers-fallback AES-256-GCM"]),
  server("a cipher that is not negotiated", ["cipher AES-256-CBC"]),
  server("migration from compression", ["compress migrate"]),
  server("migration after compression", ["comp-lzo", "compress migrate"]),
  server("no compression", ["allow-compression no"]),
  { ...server("keys renewed by bytes", ["reneg-bytes 1000000"]), changes: ["renegotiation-by-amount"] },
  {
    name: "server, without the shorthand",
    role: "server",
    lines: [
      "dev tun",
      "proto udp4",
      "mode server",
      "tls-server",
      "topology subnet",
      "ifconfig 10.8.0.1 255.255.255.0",
    ],
    blocks: [],
  },
  server("a device with another name", ["dev vpn5", "dev-type tun"]),
  server("a tun device that is called tap", ["dev tap5", "dev-type tun"]),
  server("the last of several topologies", ["topology net30", "topology subnet"]),
  {
    ...server("quotes, comments and dashes", [
      "# fragment 1200",
      "; fragment 1200",
      '--data-ciphers "AES-256-GCM:AES-128-GCM" # compress lz4',
      "  setenv 'a b' \"c # d\"",
    ]),
  },
  {
    ...server("an included file", ["config more.conf"]),
    files: { "more.conf": ["keepalive 10 60", "data-ciphers AES-256-GCM"] },
  },
  client("as simple as can be", []),
  { ...client("TCP", []), lines: TCP_CLIENT },
  client("a cipher that is not negotiated", ["cipher AES-256-CBC"]),
  client("as old as 2.4.9", ["compat-mode 2.4.9"]),
  {
    ...client("a proxy that comes after the connections", []),
    lines: [
      "dev tun",
      "<connection>",
      "remote 127.0.0.1 1195 udp4",
      "</connection>",
      "<connection>",
      "remote 127.0.0.1 1196 udp4",
      "</connection>",
      "socks-proxy 127.0.0.1 1080",
    ],
  },
  { ...client("a device node", ["dev-node /dev/net/tun"]), changes: ["dev-node"] },
  { ...client("MSS and rate", ["mssfix 1300", "shaper 100000"]), changes: ["shaper", "mssfix"] },
  client("as old as 2.5.0, with ciphers in another order", [
    "compat-mode 2.5.0",
    "ncp-ciphers AES-128-GCM:AES-256-GCM",
  ]),
  client("what a proxy would be given", ["# http-proxy 127.0.0.1 3128", "replay-window 128 30", "sndbuf 0"]),
  client("a proxy for TCP connections, of which there are none", ["http-proxy-override 127.0.0.1 3128"]),
  {
    ...client("folders, one after the other", ["cd one", "cd two", "config more.conf"]),
    files: { "one/two/more.conf": ["data-ciphers AES-256-GCM"] },
  },
  client("a backslash between words, and at the end", [
    "\\ data-ciphers AES-256-GCM",
    "\\# fragment 1200",
    "setenv answer y\\",
  ]),
  client("an unknown option in brackets, if it knows it", ["setenv opt <fragment>"]),
  client("the longest line that there can be", [`# ${"x".repeat(252)}`]),
  p2p("TLS server", ["tls-server", "dh none"]),
  p2p("TLS client with a cipher of DCO", ["tls-client", "cipher AES-256-GCM"]),

  server("switched off", ["disable-dco"], ["disabled"]),
  {
    name: "server, Ethernet",
    role: "server",
    lines: ["dev tap", "proto udp4", "server 10.8.0.0 255.255.255.0"],
    blocks: ["device-type"],
  },
  server("topology net30", ["topology net30"], ["topology"]),
  server("topology p2p", ["topology p2p"], ["topology"]),
  server("a cipher of old", ["data-ciphers AES-256-CBC"], ["ciphers"]),
  server("a cipher of old among others", ["data-ciphers AES-256-GCM:AES-256-CBC"], ["ciphers"]),
  server("an optional cipher of old", ["data-ciphers AES-256-GCM:?AES-128-CBC"], ["ciphers"]),
  server("no encryption as a choice", ["data-ciphers AES-256-GCM:none"], ["ciphers"]),
  server("a fallback of old", ["data-ciphers-fallback AES-256-CBC"], ["cipher-fallback"]),
  server("a fallback in small letters", ["data-ciphers-fallback aes-256-gcm"], ["cipher-fallback"]),
  server("LZO", ["comp-lzo"], ["compression"]),
  server("LZO switched off", ["comp-lzo no"], ["compression"]),
  server("the framing of compression", ["compress"], ["compression"]),
  server("LZ4", ["compress lz4"], ["compression"]),
  server("the second framing of compression", ["compress stub-v2"], ["compression"]),
  server("compression of the others", ["allow-compression asym"], ["allow-compression"]),
  server("compression allowed", ["allow-compression yes"], ["allow-compression"]),
  server("fragments", ["fragment 1200"], ["fragment"]),
  server("fragments, if it knows them", ["setenv opt fragment 1200"], ["fragment"]),
  server("the name of another interface", [`dev ${TAKEN}`, "dev-type tun"], ["name-in-use"]),
  {
    ...server("an included file of an included file", ["config one.conf"], ["fragment"]),
    files: { "one.conf": ["config two.conf"], "two.conf": ["fragment 1300"] },
  },
  {
    ...client("fragments in one of two connections", [], ["fragment"]),
    lines: [
      "dev tun",
      "<connection>",
      "remote 127.0.0.1 1195 udp4",
      "</connection>",
      "<connection>",
      "remote 127.0.0.1 1196 udp4",
      "fragment 1200",
      "</connection>",
    ],
  },
  { ...client("HTTP proxy", [], ["http-proxy"]), lines: [...TCP_CLIENT, "http-proxy 127.0.0.1 3128"] },
  {
    ...client("HTTP proxy that comes over all others", [], ["http-proxy"]),
    lines: [...TCP_CLIENT, "http-proxy-override 127.0.0.1 3128"],
  },
  client("SOCKS proxy", ["socks-proxy 127.0.0.1 1080"], ["socks-proxy"]),
  client(
    "asks for a proxy",
    ["management management-socket unix", "management-query-proxy"],
    ["query-proxy"],
  ),
  { ...client("no device", [], ["null-device"]), lines: ["dev null", "proto udp4", "remote 127.0.0.1 1195"] },
  client("a program in place of the device", ["dev-node unix:/bin/true"], ["socket-device"]),
  client("as old as 2.4.9 with a cipher of old", ["compat-mode 2.4.9", "cipher AES-256-CBC"], ["ciphers"]),
  p2p("a cipher of old", ["tls-client", "cipher AES-256-CBC"], ["cipher-fallback"]),
  p2p("a static key", ["secret static.key", "allow-deprecated-insecure-static-crypto"], ["no-tls"]),
  server("two things at once", ["topology net30", "compress lz4"], ["topology", "compression"]),
];

/** What OpenVPN 2.7 writes into its log when a rule stands in the way. */
export const LOGGED: Readonly<Record<string, RegExp>> = {
  disabled: /^ {2}disable_dco = ENABLED/,
  "no-tls": /No tls-client or tls-server option/,
  "device-type": /dev-type not tun, disabling/,
  "null-device": /null tun type selected/,
  "socket-device": /afunix tun type selected/,
  fragment: /--fragment disables data channel offload/,
  "http-proxy": /--http-proxy disables data channel offload/,
  "socks-proxy": /--socks-proxy disables data channel offload/,
  "query-proxy": /--management-query-proxy disables/,
  "name-in-use": /exists and is not using the ovpn DCO driver/,
  topology: /NOT using '--topology subnet' disables/,
  "cipher-fallback": /--data-ciphers-fallback with cipher '.*' disables/,
  ciphers: /cipher '.*' in --data-ciphers is not supported/,
  compression: /'--allow-compression' is not set to 'no'/,
  "allow-compression": /'--allow-compression' is not set to 'no'/,
};

/**
 * Writes a configuration's files.
 *
 * @param extra what else OpenVPN needs to start: certificates
 * @returns the file that OpenVPN is started with
 */
export function writeConfiguration(
  folder: string,
  { role, lines, files }: Configuration,
  extra: readonly string[] = [],
): string {
  for (const [name, content] of Object.entries(files ?? {})) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${content.join("\n")}\n`);
  }
  const path = join(folder, "openvpn.conf");
  const withoutTls = lines.some((line) => line.startsWith("secret "));
  writeFileSync(path, `${[...lines, ...COMMON[role], ...(withoutTls ? [] : extra)].join("\n")}\n`);
  return path;
}
