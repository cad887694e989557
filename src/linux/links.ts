/**
 * Interfaces by rtnetlink: create, find, list, delete.
 */
import { DcoError } from "../core/errors.ts";
import type { InterfaceInfo, InterfaceMode } from "../core/model.ts";
import type { NamespaceContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import {
  decodeLink,
  deleteLink,
  dumpLinks,
  getLink,
  type LinkInfo,
  type LinkSelector,
  newLink,
  setLink,
} from "./netlink/link.ts";
import { birthName, ownAlias, ownerOf } from "./owner.ts";

/** Values of IFLA_OVPN_MODE. */
const MODES: readonly InterfaceMode[] = ["p2p", "multipeer"];

/** Times to wait for another creation of this process, which uses the same first name. */
const BIRTH_TRIES = 50;
const BIRTH_WAIT_MS = 5;

/** The mode of a link, where its kind tells. */
export function linkMode(link: LinkInfo): InterfaceMode | undefined {
  return link.ovpnMode === undefined ? undefined : MODES[link.ovpnMode];
}

/** True when packets can flow: administratively up, and with carrier. */
export function isLinkUp(link: LinkInfo): boolean {
  return link.up && link.lowerUp;
}

/** Finds a link by name or index; undefined if there is none. */
export function findLink(context: NamespaceContext, selector: LinkSelector): LinkInfo | undefined {
  try {
    return context.rtnl.request(RTNL_FORMAT, (to, seq) => getLink(to, seq, selector), decodeLink)[0];
  } catch (error) {
    if (DcoError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Finds a link of a kind by name. Errors: `not-found`, `invalid` (another kind). */
export function requireLink(context: NamespaceContext, name: string, kind: string): LinkInfo {
  const link = findLink(context, { name });
  if (link === undefined)
    throw new DcoError("not-found", `there is no interface ${name}`, { effect: "none" });
  if (link.kind !== kind) {
    throw new DcoError("invalid", `interface ${name} is of kind ${link.kind ?? "none"}, not ${kind}`, {
      field: "name",
      effect: "none",
    });
  }
  return link;
}

/** Creates a link with our marker. Errors: `exists`, `permission`. */
export async function createLink(
  context: NamespaceContext,
  kind: string,
  mode: InterfaceMode,
  name: string | undefined,
): Promise<LinkInfo> {
  const born = birthName();
  for (let tries = 1; ; tries++) {
    try {
      const link = { name: born, kind, ovpnMode: MODES.indexOf(mode) };
      await context.rtnlLanes.request(RTNL_FORMAT, (to, seq) => newLink(to, seq, link));
      break;
    } catch (error) {
      if (!DcoError.is(error) || error.code !== "exists" || tries === BIRTH_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, BIRTH_WAIT_MS));
    }
  }
  const link = requireLink(context, born, kind);
  try {
    // Without a name of the caller's the kernel puts in the lowest free number.
    const change = { name: name ?? "ovpn%d", alias: ownAlias() };
    context.rtnl.request(RTNL_FORMAT, (to, seq) => setLink(to, seq, link.index, change));
    return findLink(context, { index: link.index }) ?? link;
  } catch (error) {
    await removeLink(context, link.index);
    throw error;
  }
}

/**
 * Marks a link as this process's if the process that made it is dead: else others would clean it up under us.
 *
 * What nobody marked is somebody's who does not use this package, so it is left as it is.
 */
export function takeOver(context: NamespaceContext, { name, alias, index }: LinkInfo): void {
  if (ownerOf(name, alias)?.alive !== false) return;
  context.rtnl.request(RTNL_FORMAT, (to, seq) => setLink(to, seq, index, { alias: ownAlias() }));
}

/** Deletes a link; one that is gone is no error. Takes as long as its peers take. */
export async function removeLink(context: NamespaceContext, index: number): Promise<void> {
  try {
    await context.rtnlLanes.request(RTNL_FORMAT, (to, seq) => deleteLink(to, seq, { index }));
  } catch (error) {
    if (!DcoError.is(error) || error.code !== "not-found") throw error;
  }
}

/** All links of a kind. */
export async function listLinks(context: NamespaceContext, kind: string): Promise<InterfaceInfo[]> {
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
