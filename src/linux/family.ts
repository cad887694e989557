/**
 * Which DCO module this kernel has, and what it can do: asked, not guessed from versions.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { DcoError } from "../core/errors.ts";
import type { DriverInfo } from "../core/model.ts";
import { decodeFamily, type GenlFamily, getFamily, getPolicy } from "../netlink/codec/genl.ts";
import { PolicySet } from "../netlink/codec/policy.ts";
import { CTRL_FORMAT } from "../netlink/formats.ts";
import type { Lanes } from "../netlink/lanes.ts";
import { OVPN, OVPN_COMMANDS, PEER } from "./ovpn/messages.ts";

/** Names of the generic netlink families, newest first. */
const IN_TREE = "ovpn";
const LEGACY = ["ovpn-dco-v2", "ovpn-dco"];

/** The resolved family `ovpn`. */
export interface OvpnFamily {
  readonly family: GenlFamily;
  /** Number of the multicast group `peers`. */
  readonly group: number;
  /** The kernel knows tx-id and tells of floats: from 7.1 on, or a backport of it. */
  readonly has71: boolean;
  readonly info: DriverInfo;
}

/**
 * Looks the family up, which loads its module if it can be loaded.
 *
 * Errors: `unavailable`, with what to install.
 */
export async function resolveOvpn(lanes: Lanes): Promise<OvpnFamily> {
  const family = await lookUp(lanes, IN_TREE);
  if (family === undefined) {
    for (const name of LEGACY) {
      if (await lookUp(lanes, name)) throw onlyLegacy(name);
    }
    throw missing();
  }
  const group = family.groups["peers"];
  if (group === undefined) throw new DcoError("protocol", "the family ovpn has no multicast group peers");
  const version = backportsVersion();
  return {
    family,
    group,
    has71: await knowsTxId(lanes, family.id),
    info: {
      backend: "linux",
      module: "ovpn",
      version: version ?? release(),
      kernel: release(),
      reason:
        version === undefined
          ? "the kernel has the generic netlink family ovpn"
          : `the out-of-tree module ovpn (ovpn-backports ${version}) gives the generic netlink family ovpn`,
    },
  };
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

/** Only the out-of-tree module has a version file of its own. */
function backportsVersion(): string | undefined {
  try {
    return readFileSync("/sys/module/ovpn/version", "utf8").trim();
  } catch {
    return undefined;
  }
}

function missing(): DcoError {
  return new DcoError(
    "unavailable",
    `kernel ${release()} has no DCO module: it is part of Linux 6.16 and later (module ovpn, CONFIG_OVPN); ` +
      "older kernels need the module of ovpn-backports. Install such a kernel, or load the module with: modprobe ovpn",
  );
}

function onlyLegacy(name: string): DcoError {
  return new DcoError(
    "unavailable",
    `this kernel has only the older DCO module (family ${name}), which this release does not drive; ` +
      "install Linux 6.16 or later, or the module of ovpn-backports",
  );
}
