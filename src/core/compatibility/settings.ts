/**
 * What the options of a configuration amount to, as OpenVPN works it out before it decides about DCO: which of several
 * wins, and what shorthands such as `client` and `server` stand for.
 */
import type { ConfigDirective, ConfigRole } from "./types.ts";

/** What one remote, or a server's socket, is reached with. */
export interface ConnectionSettings {
  readonly fragment: ConfigDirective | undefined;
  readonly httpProxy: ConfigDirective | undefined;
  readonly socksProxy: ConfigDirective | undefined;
  /** What says that it is TCP. */
  readonly tcp: ConfigDirective | undefined;
  readonly remote: ConfigDirective | undefined;
}

/** See the module's comment. */
export interface Settings {
  readonly role: ConfigRole;
  readonly tls: boolean;
  /** Each name's last option; names are a stranger's, hence a map. */
  readonly last: ReadonlyMap<string, ConfigDirective>;
  readonly all: readonly ConfigDirective[];
  readonly connections: readonly ConnectionSettings[];
  readonly locals: readonly ConfigDirective[];
  readonly compression: Compression;
  /** `compat-mode` as a number, 20400 for 2.4.0; 0 without one. */
  readonly compatMode: number;
}

/** What compression comes to after all options that change it. */
export interface Compression {
  /** What chooses an algorithm, or framing alone. */
  readonly algorithm: ConfigDirective | undefined;
  /** What lets the other side compress. */
  readonly asymmetric: ConfigDirective | undefined;
}

/** Which options make a server of it. */
const SERVER = ["server", "server-ipv6", "server-bridge"] as const;

/** Works out the settings. */
export function settle(directives: readonly ConfigDirective[]): Settings {
  const last = new Map<string, ConfigDirective>();
  for (const directive of directives) last.set(directive.name, directive);
  const server = SERVER.some((name) => last.has(name)) || last.get("mode")?.args[0] === "server";
  const pull = last.has("client") || last.has("pull");
  return {
    role: server ? "server" : pull ? "client" : "p2p",
    tls:
      SERVER.some((name) => last.has(name)) ||
      ["client", "tls-client", "tls-server"].some((n) => last.has(n)),
    last,
    all: directives,
    connections: withProxyOverride(connections(directives), last.get("http-proxy-override")),
    locals: directives.filter(({ name, args }) => name === "local" && args.length > 0),
    compression: compression(directives),
    compatMode: compatMode(last.get("compat-mode")?.args[0]),
  };
}

/**
 * A `<connection>` block starts with what stood before it; without blocks each `remote` has what stands anywhere.
 */
function connections(directives: readonly ConfigDirective[]): ConnectionSettings[] {
  let common: ConnectionSettings = {
    fragment: undefined,
    httpProxy: undefined,
    socksProxy: undefined,
    tcp: undefined,
    remote: undefined,
  };
  const blocks: ConnectionSettings[] = [];
  for (const directive of directives) {
    if (directive.name !== "connection") common = applied(common, directive);
    else if (directive.block !== undefined) blocks.push(directive.block.reduce(applied, common));
  }
  if (blocks.length > 0) return blocks;
  const remotes = directives.filter(({ name, args }) => name === "remote" && args.length > 0);
  return remotes.length > 0
    ? remotes.map((remote) => applied({ ...common, tcp: common.tcp }, remote))
    : [common];
}

/** It gives its proxy to the connections that are TCP clients, after everything else is read, and to no others. */
function withProxyOverride(
  connections: readonly ConnectionSettings[],
  override: ConfigDirective | undefined,
): readonly ConnectionSettings[] {
  if (override?.args[1] === undefined) return connections;
  const isClient = ({ tcp }: ConnectionSettings) =>
    tcp !== undefined && !protocolOf(tcp)?.endsWith("-server");
  return connections.map((each) => (isClient(each) ? { ...each, httpProxy: override } : each));
}

const protocolOf = ({ name, args }: ConfigDirective) => (name === "remote" ? args[2] : args[0]);

function applied(settings: ConnectionSettings, directive: ConfigDirective): ConnectionSettings {
  const [first, , third] = directive.args;
  switch (directive.name) {
    case "fragment":
      return { ...settings, fragment: directive };
    case "http-proxy":
    case "http-proxy-option":
    case "http-proxy-user-pass":
      return { ...settings, httpProxy: directive };
    case "socks-proxy":
      return { ...settings, socksProxy: directive };
    case "proto":
      return { ...settings, tcp: isTcp(first) ? directive : undefined };
    case "remote":
      return third === undefined
        ? { ...settings, remote: directive }
        : { ...settings, remote: directive, tcp: isTcp(third) ? directive : undefined };
    default:
      return settings;
  }
}

/** `tcp`, `tcp-client`, `tcp4`, `tcp6-server`, ... */
export function isTcp(protocol: string | undefined): boolean {
  return protocol?.startsWith("tcp") ?? false;
}

function compression(directives: readonly ConfigDirective[]): Compression {
  let algorithm: ConfigDirective | undefined;
  let asymmetric: ConfigDirective | undefined;
  for (const directive of directives) {
    const [word] = directive.args;
    if (directive.name === "comp-lzo") algorithm = directive;
    if (directive.name === "compress") {
      algorithm = word === "migrate" ? undefined : directive;
      if (word === "migrate") asymmetric = undefined;
    }
    if (directive.name === "allow-compression") asymmetric = word === "no" ? undefined : directive;
  }
  return { algorithm, asymmetric };
}

function compatMode(version: string | undefined): number {
  const [, major, minor, patch] = /^(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(version ?? "") ?? [];
  return Number(major ?? 0) * 10_000 + Number(minor ?? 0) * 100 + Number(patch ?? 0);
}
