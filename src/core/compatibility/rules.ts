/**
 * What rules data channel offload out, and what it changes: OpenVPN's own checks as data, in our words.
 *
 * `source` names the function in OpenVPN's sources (2.7.8; for `linux-dco-v2` 2.6) where the check stands, or the place
 * that shows that the option has no effect. A test compares the blocking rules of Linux with what OpenVPN's log says.
 */
import { foreignCiphers, foreignFallback, namesChaCha } from "./ciphers.ts";
import { type ConnectionSettings, isTcp, type Settings } from "./settings.ts";
import type { CompatibilityEffect, CompatibilityPlatform, ConfigDirective } from "./types.ts";

/** Where a rule applies. */
export interface Hit {
  /** The option that is to blame, or that needs what is missing. */
  readonly at?: ConfigDirective | undefined;
  /** Of the option, where it is no secret. */
  readonly value?: string | undefined;
  /** The rule's own option is not there; `at` only needs it. */
  readonly missing?: boolean;
}

/** What the rules look at besides the settings. */
export interface RuleContext {
  readonly platform: CompatibilityPlatform;
  readonly interfaces: ReadonlyMap<string, string>;
}

/** One rule. */
export interface Rule {
  readonly id: string;
  readonly effect: CompatibilityEffect;
  readonly platforms: readonly CompatibilityPlatform[];
  /** The option that is named where there is none to blame. */
  readonly option: string;
  readonly find: (settings: Settings, context: RuleContext) => readonly Hit[];
  readonly reason: string;
  readonly replacement: string | Readonly<Record<CompatibilityPlatform, string>>;
  readonly source: string;
}

const ALL = ["linux", "linux-dco-v2", "freebsd", "windows"] as const;
const CURRENT = ["linux", "freebsd", "windows"] as const;
const UNIX = ["linux", "linux-dco-v2", "freebsd"] as const;

const given =
  (...names: readonly string[]) =>
  ({ all }: Settings): Hit[] =>
    names.flatMap((name) => {
      const at = all.findLast((directive) => directive.name === name);
      return at === undefined ? [] : [{ at, value: at.inline ? undefined : at.args[0] }];
    });

/** The same option may stand in several connections. */
const inConnections =
  (which: keyof ConnectionSettings) =>
  ({ connections }: Settings): Hit[] =>
    [...new Set(connections.map((each) => each[which]))].flatMap((at) => (at === undefined ? [] : [{ at }]));

const onServer = (find: (settings: Settings) => readonly Hit[]) => (settings: Settings) =>
  settings.role === "server" ? find(settings) : [];

const positive = ({ at }: Hit) => Number(at?.args[0]) > 0;

/** The type of the device, from `dev-type`, else from how the name begins. */
function isDevice({ last }: Settings, type: string): boolean {
  const explicit = last.get("dev-type")?.args[0];
  return explicit === undefined ? (last.get("dev")?.args[0]?.startsWith(type) ?? false) : explicit === type;
}

const deviceOption = ({ last }: Settings) => last.get("dev-type") ?? last.get("dev");

/** What makes a server of it. */
const serverOption = ({ last }: Settings) =>
  last.get("server") ?? last.get("server-ipv6") ?? last.get("server-bridge") ?? last.get("mode");

function tcp(settings: Settings): Hit[] {
  const local = settings.locals.filter(({ args }) => isTcp(args[2])).map((at) => ({ at, value: at.args[2] }));
  if (local.length > 0 || settings.locals.some(({ args }) => args[2] !== undefined)) return local;
  return inConnections("tcp")(settings);
}

const SHAPERS = {
  linux: "tc qdisc add dev DEVICE root tbf rate RATE burst 32kbit latency 50ms",
  "linux-dco-v2": "tc qdisc add dev DEVICE root tbf rate RATE burst 32kbit latency 50ms",
  freebsd: "dummynet: ipfw pipe 1 config bw RATE, and ipfw add pipe 1 ip from any to any via DEVICE",
  windows: "New-NetQosPolicy with -ThrottleRateActionBitsPerSecond",
} as const;

const CLAMPS = {
  linux:
    "nft add rule inet filter forward oifname DEVICE tcp flags syn tcp option maxseg size set rt mtu, and a smaller tun-mtu",
  "linux-dco-v2":
    "nft add rule inet filter forward oifname DEVICE tcp flags syn tcp option maxseg size set rt mtu, and a smaller tun-mtu",
  freebsd: "pf: scrub on DEVICE max-mss SIZE, and a smaller tun-mtu",
  windows: "a smaller tun-mtu",
} as const;

const BETWEEN_CLIENTS = {
  linux:
    "sysctl net.ipv4.ip_forward=1 (and net.ipv6.conf.all.forwarding=1), and nftables rules for iifname DEVICE oifname DEVICE: without a rule that drops it, clients reach one another",
  "linux-dco-v2":
    "sysctl net.ipv4.ip_forward=1 (and net.ipv6.conf.all.forwarding=1), and nftables rules for iifname DEVICE oifname DEVICE",
  freebsd: "gateway_enable=YES (and ipv6_gateway_enable=YES), and pf rules on DEVICE",
  windows: "Set-NetIPInterface -Forwarding Enabled, and the Windows firewall",
} as const;

/** In the order in which they are told. */
export const RULES: readonly Rule[] = [
  {
    id: "disabled",
    effect: "blocks",
    platforms: ALL,
    option: "disable-dco",
    find: given("disable-dco"),
    reason: "The configuration itself switches data channel offload off.",
    replacement: "Remove the option.",
    source: "options.c, add_option",
  },
  {
    id: "no-device",
    effect: "blocks",
    platforms: ALL,
    option: "dev",
    find: ({ last }) => (last.get("dev")?.args[0] === undefined ? [{}] : []),
    reason: "There is no device: OpenVPN does not start without one.",
    replacement: "dev tun",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "no-tls",
    effect: "blocks",
    platforms: ALL,
    option: "tls-client",
    find: ({ tls, last }) => (tls ? [] : [{ at: last.get("secret") }]),
    reason: "There is no TLS: the keys of DCO come from a TLS session, a static key is never offloaded.",
    replacement:
      "tls-server at one end and tls-client at the other, with certificates or peer-fingerprint, in place of secret",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "device-type",
    effect: "blocks",
    platforms: ALL,
    option: "dev",
    find: (settings) =>
      settings.last.has("dev") && !isDevice(settings, "tun") && !isDevice(settings, "null")
        ? [{ at: deviceOption(settings), value: deviceOption(settings)?.args[0] }]
        : [],
    reason: "The device is not a tun device: DCO carries IP packets, not Ethernet frames.",
    replacement: "dev tun, or dev NAME with dev-type tun; routing in place of bridging",
    source: "dco.c, dco_check_startup_option; tun.c, dev_type_enum",
  },
  {
    id: "null-device",
    effect: "blocks",
    platforms: ALL,
    option: "dev",
    find: (settings) => (isDevice(settings, "null") ? [{ at: deviceOption(settings), value: "null" }] : []),
    reason: "The null device throws all packets away, in OpenVPN's process.",
    replacement: "dev tun",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "socket-device",
    effect: "blocks",
    platforms: CURRENT,
    option: "dev-node",
    find: (settings) =>
      given("dev-node")(settings).filter(({ at }) => at?.args[0]?.startsWith("unix:") ?? false),
    reason:
      "The tunnel's packets go to another program over a socket: they must pass through OpenVPN's process.",
    replacement: "Remove dev-node.",
    source: "dco.c, dco_check_startup_option; tun_afunix.h, is_tun_afunix",
  },
  {
    id: "fragment",
    effect: "blocks",
    platforms: ALL,
    option: "fragment",
    find: inConnections("fragment"),
    reason: "Fragments are made and put together in OpenVPN's process: the kernel does not know that format.",
    replacement: "Remove it, at both ends; a smaller tun-mtu keeps packets from being too large.",
    source: "dco.c, dco_check_option_ce",
  },
  {
    id: "http-proxy",
    effect: "blocks",
    platforms: ALL,
    option: "http-proxy",
    find: inConnections("httpProxy"),
    reason: "A connection through an HTTP proxy is not offloaded.",
    replacement: "A way to the server without the proxy.",
    source: "dco.c, dco_check_option_ce",
  },
  {
    id: "socks-proxy",
    effect: "blocks",
    platforms: ALL,
    option: "socks-proxy",
    find: inConnections("socksProxy"),
    reason: "A connection through a SOCKS proxy is not offloaded: each packet has the proxy's header.",
    replacement: "A way to the server without the proxy.",
    source: "dco.c, dco_check_option_ce",
  },
  {
    id: "query-proxy",
    effect: "blocks",
    platforms: ALL,
    option: "management-query-proxy",
    find: given("management-query-proxy"),
    reason:
      "The management interface may choose a proxy while OpenVPN runs, and that could not be offloaded.",
    replacement: "Remove it.",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "tcp",
    effect: "blocks",
    platforms: ["freebsd"],
    option: "proto",
    find: tcp,
    reason: "FreeBSD's module carries UDP only.",
    replacement: "proto udp",
    source: "dco.c, dco_check_option_ce; if_ovpn(4)",
  },
  {
    id: "tcp-server",
    effect: "blocks",
    platforms: ["windows"],
    option: "proto",
    find: onServer(tcp),
    reason: "As a server the Windows driver carries UDP only.",
    replacement: "proto udp",
    source: "dco.c, dco_check_option_ce",
  },
  {
    id: "several-locals",
    effect: "blocks",
    platforms: ["windows", "linux-dco-v2"],
    option: "local",
    find: onServer(({ locals }) => (locals.length > 1 ? [{ at: locals[1], value: locals[1]?.args[0] }] : [])),
    reason: "Only one socket is possible here, and several are listened on.",
    replacement: "One local, or one process for each.",
    source: "dco.c, dco_check_option_ce; OpenVPN 2.6 has one local only",
  },
  {
    id: "bind-dev",
    effect: "blocks",
    platforms: ["linux-dco-v2"],
    option: "bind-dev",
    find: given("bind-dev"),
    reason: "OpenVPN 2.6 does not offload with a socket that is bound to a device.",
    replacement: "local ADDRESS, or mark with a rule of ip rule",
    source: "dco.c (2.6), dco_check_startup_option",
  },
  {
    id: "name-in-use",
    effect: "blocks",
    platforms: ["linux", "linux-dco-v2"],
    option: "dev",
    find: ({ last }, { platform, interfaces }) => {
      const at = last.get("dev");
      const name = at?.args[0];
      if (name === undefined || !/\d/.test(name)) return [];
      const kind = interfaces.get(name);
      return kind === undefined || kind === (platform === "linux" ? "ovpn" : "ovpn-dco")
        ? []
        : [{ at, value: name }];
    },
    reason: "There is an interface of that name already, and it is no DCO interface.",
    replacement: "Delete that interface (ip link delete DEVICE), or use another name.",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "topology",
    effect: "blocks",
    platforms: ALL,
    option: "topology",
    find: (settings, { platform }) => {
      const at = settings.last.get("topology");
      // Until 2.6 a server's topology is net30 if nothing else is said.
      const topology = at?.args[0] ?? (platform === "linux-dco-v2" ? "net30" : "subnet");
      if (settings.role !== "server" || topology === "subnet") return [];
      return [{ at: at ?? serverOption(settings), value: topology, missing: at === undefined }];
    },
    reason: "A server with DCO needs the topology subnet: each client is reached by one address.",
    replacement: "topology subnet",
    source: "dco.c, dco_check_startup_option; helper.c, helper_setdefault_topology",
  },
  {
    id: "cipher-fallback",
    effect: "blocks",
    platforms: ALL,
    option: "data-ciphers-fallback",
    find: foreignFallback,
    reason:
      "A peer that does not negotiate would be given a cipher that DCO does not have (the name is compared in capital letters).",
    replacement: "data-ciphers-fallback AES-256-GCM, or none at all",
    source: "dco.c, dco_check_option; options.c, options_postprocess_cipher",
  },
  {
    id: "ciphers",
    effect: "blocks",
    platforms: ALL,
    option: "data-ciphers",
    find: (settings, { platform }) => foreignCiphers(settings, platform),
    reason: "A cipher may be negotiated that DCO does not have: it has AES-GCM and ChaCha20-Poly1305.",
    replacement: "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305",
    source: "dco.c, dco_check_option; ssl_ncp.c, mutate_ncp_cipher_list",
  },
  {
    id: "compression",
    effect: "blocks",
    platforms: ALL,
    option: "compress",
    find: ({ compression: { algorithm } }) =>
      algorithm === undefined ? [] : [{ at: algorithm, value: algorithm.args[0] }],
    reason: "Compression, and its framing without compression, are not offloaded.",
    replacement: "Remove it at both ends; a server with old clients has compress migrate.",
    source: "dco.c, dco_check_option; options.c, add_option",
  },
  {
    id: "allow-compression",
    effect: "blocks",
    platforms: ALL,
    option: "allow-compression",
    find: ({ compression: { asymmetric } }) =>
      asymmetric === undefined ? [] : [{ at: asymmetric, value: asymmetric.args[0] }],
    reason: "The other side may send compressed packets.",
    replacement: "allow-compression no, or remove it",
    source: "dco.c, dco_check_option",
  },

  {
    id: "chacha-windows-10",
    effect: "changes",
    platforms: ["windows"],
    option: "data-ciphers",
    find: namesChaCha,
    reason: "Windows 10 has no ChaCha20-Poly1305: there OpenVPN falls back to its own data channel.",
    replacement:
      "data-ciphers AES-256-GCM:AES-128-GCM, or nothing: the default leaves it out where it is missing",
    source: "dco_win.c, dco_get_supported_ciphers",
  },
  {
    id: "client-to-client",
    effect: "changes",
    platforms: ALL,
    option: "client-to-client",
    find: onServer(given("client-to-client")),
    reason:
      "It has no effect: packets between clients leave by the interface, and the system's routing and firewall decide.",
    replacement: BETWEEN_CLIENTS,
    source: "options.c, options_postprocess_verify",
  },
  {
    id: "renegotiation-by-amount",
    effect: "changes",
    platforms: ALL,
    option: "reneg-bytes",
    find: (settings) => given("reneg-bytes", "reneg-pkts")(settings).filter(positive),
    reason: "OpenVPN does not count the packets that the kernel carries, and ignores it.",
    replacement: "reneg-sec",
    source: "options.c, options_postprocess_verify",
  },
  {
    id: "shaper",
    effect: "changes",
    platforms: ALL,
    option: "shaper",
    find: given("shaper"),
    reason: "Packets do not pass through OpenVPN's process, where the rate would be limited.",
    replacement: SHAPERS,
    source: "forward.c, process_outgoing_link (data packets do not come there)",
  },
  {
    id: "mssfix",
    effect: "changes",
    platforms: UNIX,
    option: "mssfix",
    find: (settings) => given("mssfix")(settings).filter(({ at }) => at?.args[0] !== "0"),
    reason: "The kernel's module does not change the MSS of TCP connections in the tunnel.",
    replacement: CLAMPS,
    source:
      "mss.c (called for packets in OpenVPN's process); dco_linux.c and dco_freebsd.c do not pass it on",
  },
  {
    id: "client-nat",
    effect: "changes",
    platforms: ALL,
    option: "client-nat",
    find: given("client-nat"),
    reason: "Addresses are rewritten in OpenVPN's process, which sees no packets.",
    replacement: {
      linux: "nftables: snat and dnat rules for DEVICE",
      "linux-dco-v2": "nftables: snat and dnat rules for DEVICE",
      freebsd: "pf: binat on DEVICE",
      windows: "New-NetNat",
    },
    source: "forward.c, process_ip_header",
  },
  {
    id: "mtu-test",
    effect: "changes",
    platforms: ALL,
    option: "mtu-test",
    find: given("mtu-test"),
    reason: "The test needs data packets of OpenVPN's own, which cannot be sent.",
    replacement: "ping with packets that must not be fragmented, through the tunnel",
    source: "issue 395 of OpenVPN",
  },
  {
    id: "dev-node",
    effect: "changes",
    platforms: UNIX,
    option: "dev-node",
    find: (settings, { platform }) =>
      given("dev-node")(settings).filter(
        ({ at }) => platform === "linux-dco-v2" || !at?.args[0]?.startsWith("unix:"),
      ),
    reason: "There is no device node: OpenVPN ignores it.",
    replacement: "Remove it.",
    source: "options.c, options_postprocess_mutate",
  },
  {
    id: "bind-dev-routes",
    effect: "changes",
    platforms: ["linux"],
    option: "bind-dev",
    find: given("bind-dev"),
    reason:
      "Over UDP the kernel looks up the route of data packets without regard to the device of the socket.",
    replacement: "mark with a rule of ip rule",
    source: "issues 683 and 409 of OpenVPN",
  },
  {
    id: "user",
    effect: "changes",
    platforms: ["linux", "linux-dco-v2"],
    option: "user",
    find: given("user"),
    reason:
      "DCO needs CAP_NET_ADMIN as long as it runs: OpenVPN keeps it only if it is started with CAP_SETPCAP.",
    replacement: "Start it as root, or with CapabilityBoundingSet that has CAP_SETPCAP.",
    source: "dco.c, dco_check_startup_option",
  },
  {
    id: "user-freebsd",
    effect: "changes",
    platforms: ["freebsd"],
    option: "user",
    find: given("user"),
    reason: "FreeBSD's module wants root for every request: after the change of the user none succeeds.",
    replacement: "Remove user and group.",
    source: "issue 748 of OpenVPN",
  },
  {
    id: "tun-mtu-windows",
    effect: "changes",
    platforms: ["windows"],
    option: "tun-mtu",
    find: (settings) => given("tun-mtu")(settings).filter(({ at }) => Number(at?.args[0]) > 1500),
    reason: "The driver's MTU is 1500 at most.",
    replacement: "tun-mtu 1500",
    source: "ovpn-dco-win, driver settings",
  },
  {
    id: "pushed-compression",
    effect: "changes",
    platforms: ALL,
    option: "push",
    find: onServer(({ all }) =>
      all
        .filter(
          ({ name, args }) =>
            name === "push" && /^\s*(comp-lzo|compress)\b(?!\s+(migrate|stub-v2))/.test(args[0] ?? ""),
        )
        .map((at) => ({ at, value: at.args[0] })),
    ),
    reason: "A client that uses DCO refuses compression, and does not connect.",
    replacement: "Remove it; for old clients there is compress migrate.",
    source: "comp.c, check_compression_settings_valid",
  },
];
