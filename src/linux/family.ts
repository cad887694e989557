/**
 * Which DCO module this kernel has, and what it can do: asked, not guessed from versions.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError } from "../core/errors.ts";
import type { DriverInfo, InterfaceMode } from "../core/model.ts";
import { decodeFamily, type GenlFamily, getFamily, getPolicy } from "../netlink/codec/genl.ts";
import { PolicySet } from "../netlink/codec/policy.ts";
import { CTRL_FORMAT } from "../netlink/formats.ts";
import type { Lanes } from "../netlink/lanes.ts";
import { ovpnCapabilities } from "./capabilities.ts";
import type { ModuleCodec } from "./codec.ts";
import { legacyCapabilities } from "./legacy/capabilities.ts";
import { LEGACY_CODEC } from "./legacy/codec.ts";
import { FIRST_FAMILY, LEGACY_FAMILY } from "./legacy/messages.ts";
import { OVPN_CODEC } from "./ovpn/codec.ts";
import { OVPN, OVPN_COMMANDS, OVPN_FAMILY, OVPN_GROUP, PEER } from "./ovpn/messages.ts";

/** Which module is wanted: `auto` is the in-tree one, or `ovpn-dco-v2` where that is all there is. */
export type WantedModule = "auto" | "linux" | "linux-legacy";

/** The module that was found. */
export interface DcoModule {
  readonly codec: ModuleCodec;
  /** Number of its generic netlink family. */
  readonly family: number;
  /** Number of the multicast group `peers`. */
  readonly group: number;
  /** @param mode of one interface; without it, what at least one mode can do */
  capabilities(mode?: InterfaceMode): Capabilities;
  readonly info: DriverInfo;
}

/**
 * Looks the families up, which loads their modules if they can be loaded.
 *
 * Errors: `unavailable`, with the families that are there, and what to install.
 */
export async function resolveModule(lanes: Lanes, wanted: WantedModule): Promise<DcoModule> {
  if (wanted !== "linux-legacy") {
    const family = await lookUp(lanes, OVPN_FAMILY);
    if (family) return inTree(lanes, family, wanted);
  }
  const legacy = await lookUp(lanes, LEGACY_FAMILY);
  if (legacy && wanted !== "linux") return outOfTree(legacy, wanted);
  const others = legacy ? [LEGACY_FAMILY] : [];
  if (wanted === "linux-legacy" && (await lookUp(lanes, OVPN_FAMILY))) others.push(OVPN_FAMILY);
  if (await lookUp(lanes, FIRST_FAMILY)) others.push(FIRST_FAMILY);
  throw missing(wanted, others);
}

async function inTree(lanes: Lanes, family: GenlFamily, wanted: WantedModule): Promise<DcoModule> {
  const has71 = await knowsTxId(lanes, family.id);
  const version = moduleVersion("ovpn");
  return {
    codec: OVPN_CODEC,
    family: family.id,
    group: groupOf(family),
    capabilities: () => ovpnCapabilities(has71),
    info: {
      backend: "linux",
      module: "ovpn",
      version: version ?? release(),
      kernel: release(),
      reason:
        (version === undefined
          ? "the kernel has the generic netlink family ovpn"
          : `the out-of-tree module ovpn (ovpn-backports ${version}) gives the generic netlink family ovpn`) +
        (wanted === "linux" ? ", and it was asked for by name" : ""),
    },
  };
}

function outOfTree(family: GenlFamily, wanted: WantedModule): DcoModule {
  return {
    codec: LEGACY_CODEC,
    family: family.id,
    group: groupOf(family),
    capabilities: legacyCapabilities,
    info: {
      backend: "linux-legacy",
      module: LEGACY_FAMILY,
      version: moduleVersion("ovpn_dco_v2") ?? "unknown",
      kernel: release(),
      reason:
        `the out-of-tree module gives the generic netlink family ${LEGACY_FAMILY}` +
        (wanted === "auto"
          ? `, and the kernel has no family ${OVPN_FAMILY}`
          : ", and it was asked for by name"),
    },
  };
}

function groupOf({ name, groups }: GenlFamily): number {
  const group = groups[OVPN_GROUP];
  if (group === undefined)
    throw new DcoError("protocol", `the family ${name} has no multicast group ${OVPN_GROUP}`);
  return group;
}

async function lookUp(lanes: Lanes, name: string): Promise<GenlFamily | undefined> {
  try {
    return (await lanes.request(CTRL_FORMAT, (to, seq) => getFamily(to, seq, name), decodeFamily))[0];
  } catch (error) {
    if (DcoError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Notifications cannot be asked for; the attribute came with the same kernel as the float notification. */
async function knowsTxId(lanes: Lanes, family: number): Promise<boolean> {
  const policies = new PolicySet();
  await lanes.request(
    CTRL_FORMAT,
    (to, seq) => getPolicy(to, seq, family),
    (message) => policies.add(message),
  );
  return policies.find(OVPN_COMMANDS.peerNew, [OVPN.peer.number, PEER.txId.number]) !== undefined;
}

/** Only out-of-tree modules have a version of their own. */
function moduleVersion(module: string): string | undefined {
  try {
    return readFileSync(`/sys/module/${module}/version`, "utf8").trim();
  } catch {
    return undefined;
  }
}

const WHAT_TO_INSTALL: Readonly<Record<WantedModule, string>> = {
  auto:
    "DCO is part of Linux 6.16 and later (module ovpn, CONFIG_OVPN); older kernels need the module of ovpn-backports, " +
    "or ovpn-dco-v2 (Debian's openvpn-dco-dkms). Install one of them, or load it: modprobe ovpn, or modprobe ovpn-dco-v2",
  linux:
    "the module ovpn is part of Linux 6.16 and later (CONFIG_OVPN); older kernels need that of ovpn-backports. " +
    "Install one of them, or load it with: modprobe ovpn",
  "linux-legacy": "install ovpn-dco-v2 (Debian's openvpn-dco-dkms), or load it with: modprobe ovpn-dco-v2",
};

/** What to do with a module of another family. */
const OF_OTHERS: Readonly<Record<string, string>> = {
  [OVPN_FAMILY]: "the backend linux drives it",
  [LEGACY_FAMILY]: "the backend linux-legacy drives it",
  [FIRST_FAMILY]:
    "the first generation of the out-of-tree module, up to v0.1.20230206, which dcokit does not drive; its successor " +
    "is ovpn-dco-v2",
};

function missing(wanted: WantedModule, others: readonly string[]): DcoError {
  const which = wanted === "auto" ? "DCO module that dcokit can use" : `module ${NAMES[wanted]}`;
  const there = others.map((name) => `; it has the family ${name} (${OF_OTHERS[name]})`).join("");
  return new DcoError(
    "unavailable",
    `kernel ${release()} has no ${which}${there}. What to do: ${WHAT_TO_INSTALL[wanted]}`,
  );
}

const NAMES = { linux: "ovpn", "linux-legacy": "ovpn-dco-v2" } as const;
