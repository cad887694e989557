/**
 * Interfaces of the module: create, list, take over.
 */
import type { InterfaceInfo, InterfaceMode } from "../core/model.ts";
import { decodeLink, dumpLinks, type LinkInfo, newLink, setLink } from "../netlink/codec/link.ts";
import type { NetworkContext } from "../netlink/context.ts";
import { RTNL_FORMAT } from "../netlink/formats.ts";
import { createLink, isLinkUp } from "../netlink/links.ts";
import { ownAlias, ownerOf } from "../netlink/owner.ts";
import type { ModuleCodec } from "./codec.ts";

/** Values of IFLA_OVPN_MODE. */
const MODES: readonly InterfaceMode[] = ["p2p", "multipeer"];

/** The mode of a link, where its kind tells. */
export function linkMode(link: LinkInfo): InterfaceMode | undefined {
  return link.ovpnMode === undefined ? undefined : MODES[link.ovpnMode];
}

/** So small that no packets are merged. */
const GRO_OFF = 1;

/** Creates a link of a module with our marker. Errors: `exists`, `permission`. */
export function createModeLink(
  context: NetworkContext,
  { linkKind: kind, mergesReceived }: Pick<ModuleCodec, "linkKind" | "mergesReceived">,
  mode: InterfaceMode,
  name: string | undefined,
): Promise<LinkInfo> {
  const make = (born: string) => {
    const link = { name: born, kind, ovpnMode: MODES.indexOf(mode) };
    return context.rtnlLanes.request(RTNL_FORMAT, (to, seq) => newLink(to, seq, link));
  };
  const groMaxSize = mergesReceived ? undefined : GRO_OFF;
  return createLink(context, kind, make, { name: name ?? "ovpn%d", groMaxSize });
}

/**
 * Marks a link as this process's if the process that made it is dead: else others would clean it up under us.
 *
 * What nobody marked is somebody's who does not use this package, so it is left as it is.
 */
export function takeOver(context: NetworkContext, { name, alias, index }: LinkInfo): void {
  if (ownerOf(name, alias)?.alive !== false) return;
  context.rtnl.request(RTNL_FORMAT, (to, seq) => setLink(to, seq, index, { alias: ownAlias() }));
}

/** All links of a kind. */
export async function listLinks(context: NetworkContext, kind: string): Promise<InterfaceInfo[]> {
  const links = await context.rtnlLanes.request(
    RTNL_FORMAT,
    (to, seq) => dumpLinks(to, seq),
    (message) => {
      const link = decodeLink(message);
      return link.kind === kind ? link : undefined;
    },
  );
  return links.map((link) => ({
    name: link.name,
    index: link.index,
    mode: linkMode(link),
    mtu: link.mtu ?? 0,
    up: link.up,
    linkUp: isLinkUp(link),
    owner: ownerOf(link.name, link.alias),
  }));
}
