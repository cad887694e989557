/**
 * The doctor on Linux. Pure: `linux-facts.ts` finds the facts.
 */
import { type Check, check, koffiCheck, nodeCheck, type Opened } from "./checks.ts";

/** Where a kernel module is. */
export interface ModuleFacts {
  /** In the running kernel; built in counts. */
  readonly loaded: boolean;
  /** Among the modules that this kernel can load. */
  readonly installed: boolean;
  /** Of a module that is not part of the kernel. */
  readonly version: string | undefined;
}

/** What the machine is. */
export interface LinuxFacts {
  readonly node: string;
  /** Why the native library cannot be loaded. */
  readonly koffi: string | undefined;
  readonly release: string;
  /** `ovpn`: in-tree, or of ovpn-backports. */
  readonly ovpn: ModuleFacts;
  /** `ovpn-dco-v2` and the first generation, `ovpn-dco`. */
  readonly legacy: ModuleFacts;
  readonly first: ModuleFacts;
  /** Whether the lists of modules could be read: they are missing in many containers. */
  readonly modulesKnown: boolean;
  readonly opened: Opened;
  readonly effectiveUser: number;
  /** CAP_NET_ADMIN is in force; undefined where it cannot be told. */
  readonly netAdmin: boolean | undefined;
  readonly initialUserNamespace: boolean | undefined;
  readonly architecture: string;
  /** Flags of the processor, of /proc/cpuinfo. */
  readonly processor: readonly string[];
  /** Names of interfaces of dead processes; undefined where they cannot be listed. */
  readonly leftovers: readonly string[] | undefined;
}

const GET_A_MODULE =
  "Install a kernel of 6.16 or later (Debian: linux-image-amd64 of trixie-backports), or the module of ovpn-backports for this one.";

/** All checks, in the order in which they build on one another. */
export function linuxChecks(facts: LinuxFacts): Check[] {
  return [
    nodeCheck(facts.node),
    koffiCheck(facts.koffi),
    kernel(facts),
    module(facts),
    family(facts),
    backports(facts),
    legacy(facts),
    privilege(facts),
    userNamespace(facts),
    acceleration(facts),
    leftovers(facts),
  ];
}

function kernel({ release, ovpn }: LinuxFacts): Check {
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  if (major > 6 || (major === 6 && minor >= 16))
    return check("kernel", "ok", `Linux ${release} is of those that can have the module ovpn`);
  const found = `Linux ${release} is older than 6.16, where DCO became part of the kernel`;
  return ovpn.loaded || ovpn.installed
    ? check("kernel", "ok", `${found}; there is a module for it all the same`)
    : check("kernel", "warning", found, GET_A_MODULE);
}

function module({ ovpn, opened, modulesKnown }: LinuxFacts): Check {
  if (ovpn.loaded) return check("module", "ok", "the module ovpn is loaded");
  if ("module" in opened && opened.module === "ovpn") {
    return check("module", "ok", "the module ovpn is part of this kernel");
  }
  if ("module" in opened) {
    return check("module", "warning", `the module ovpn is not there; ${opened.module} is used`, GET_A_MODULE);
  }
  if (ovpn.installed) {
    return check(
      "module",
      "failed",
      "the module ovpn is installed, and not loaded",
      "As root: modprobe ovpn",
    );
  }
  const where = modulesKnown
    ? "is not installed"
    : "is not loaded, and the list of modules cannot be read here";
  const remedy = modulesKnown
    ? GET_A_MODULE
    : `On the host: modprobe ovpn. If there is none: ${GET_A_MODULE}`;
  return check("module", "failed", `the module ovpn ${where}`, remedy);
}

function family({ opened, koffi }: LinuxFacts): Check {
  if ("module" in opened) return check("family", "ok", `${opened.module}: ${opened.reason}`);
  if (koffi !== undefined)
    return check("family", "skipped", "the kernel cannot be asked without native calls");
  const remedy = opened.code === "unavailable" ? "See the checks of kernel and module." : "See the message.";
  return check("family", "failed", opened.message, remedy);
}

function backports({ ovpn }: LinuxFacts): Check {
  return ovpn.version === undefined
    ? check("backports", "ok", "no module of ovpn-backports is loaded")
    : check("backports", "ok", `the module ovpn is that of ovpn-backports ${ovpn.version}`);
}

function legacy({ legacy, first, ovpn, opened }: LinuxFacts): Check {
  if (first.loaded || first.installed) {
    return check(
      "legacy",
      "warning",
      "there is the first generation of the module (family ovpn-dco), which nothing uses any more",
      `Remove it. ${GET_A_MODULE}`,
    );
  }
  if (!legacy.loaded && !legacy.installed) return check("legacy", "ok", "there is no older module");
  const version = legacy.version === undefined ? "" : ` ${legacy.version}`;
  const found = `the older module ovpn-dco-v2${version} is ${legacy.loaded ? "loaded" : "installed"}`;
  if (ovpn.loaded || ovpn.installed) return check("legacy", "ok", `${found}; the newer one is used`);
  if ("module" in opened)
    return check("legacy", "warning", `${found}, and used: it can do less than ovpn`, GET_A_MODULE);
  return check("legacy", "warning", `${found}, and no newer one`, GET_A_MODULE);
}

function privilege({ netAdmin, effectiveUser }: LinuxFacts): Check {
  if (netAdmin === undefined)
    return check("privilege", "skipped", "the rights of this process cannot be read");
  if (netAdmin) return check("privilege", "ok", "this process has CAP_NET_ADMIN");
  const who =
    effectiveUser === 0 ? "root without CAP_NET_ADMIN" : `user ${effectiveUser}, without CAP_NET_ADMIN`;
  return check(
    "privilege",
    "failed",
    `this process is that of ${who}`,
    "Run it as root (sudo), or give the service the right: AmbientCapabilities=CAP_NET_ADMIN in its systemd unit, or --cap-add NET_ADMIN for a container.",
  );
}

function userNamespace({ initialUserNamespace }: LinuxFacts): Check {
  if (initialUserNamespace === undefined) {
    return check("user-namespace", "skipped", "the user namespace of this process cannot be read");
  }
  if (initialUserNamespace)
    return check("user-namespace", "ok", "this process is in the initial user namespace");
  return check(
    "user-namespace",
    "failed",
    "this process is in a user namespace of its own (a rootless container?), where CAP_NET_ADMIN does not count for DCO",
    "Run it on the host, or in a container without a user namespace (a privileged one); or leave the kernel to a process there.",
  );
}

function acceleration({ architecture, processor }: LinuxFacts): Check {
  const needed = ACCELERATION[architecture];
  if (needed === undefined || processor.length === 0) {
    return check("acceleration", "skipped", "what the processor can do cannot be told");
  }
  const lacking = needed.filter((flag) => !processor.includes(flag));
  if (lacking.length === 0)
    return check("acceleration", "ok", `the processor has instructions for AES-GCM (${needed.join(", ")})`);
  return check(
    "acceleration",
    "warning",
    `the processor has no instructions for AES-GCM (lacking: ${lacking.join(", ")})`,
    "chacha20-poly1305 is faster here; in a virtual machine pass the processor of the host through.",
  );
}

const ACCELERATION: Readonly<Record<string, readonly string[]>> = {
  x64: ["aes", "pclmulqdq"],
  arm64: ["aes", "pmull"],
};

function leftovers({ leftovers }: LinuxFacts): Check {
  if (leftovers === undefined) return check("leftovers", "skipped", "interfaces cannot be listed");
  if (leftovers.length === 0) return check("leftovers", "ok", "no dead process has left an interface behind");
  return check(
    "leftovers",
    "warning",
    `interfaces of dead processes: ${leftovers.join(", ")}`,
    "If nobody is to take them over: dco interface clean",
  );
}
