/**
 * Interfaces by rtnetlink: create, find, delete.
 */
import { DcoError } from "../core/errors.ts";
import {
  decodeLink,
  deleteLink,
  getLink,
  type LinkChange,
  type LinkInfo,
  type LinkSelector,
  setLink,
} from "./codec/link.ts";
import type { NetworkContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";
import { birthName, ownAlias } from "./owner.ts";

/** Times to wait for another creation of this process, which uses the same first name. */
const BIRTH_TRIES = 50;
const BIRTH_WAIT_MS = 5;

/** True when packets can flow: administratively up, and with carrier. */
export function isLinkUp(link: LinkInfo): boolean {
  return link.up && link.lowerUp;
}

/** Finds a link by name or index; undefined if there is none. */
export function findLink(context: NetworkContext, selector: LinkSelector): LinkInfo | undefined {
  try {
    return context.rtnl.request(RTNL_FORMAT, (to, seq) => getLink(to, seq, selector), decodeLink)[0];
  } catch (error) {
    if (DcoError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Finds a link of a kind by name. Errors: `not-found`, `invalid` (another kind). */
export function requireLink(context: NetworkContext, name: string, kind: string): LinkInfo {
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

/**
 * Creates a link with our marker. Errors: `exists`, `permission`.
 *
 * @param make makes it under a first name
 * @param change its own name, or a pattern in which the kernel puts the lowest free number; and what else it begins with
 */
export async function createLink(
  context: NetworkContext,
  kind: string,
  make: (born: string) => Promise<unknown>,
  change: LinkChange & { readonly name: string },
): Promise<LinkInfo> {
  const born = birthName();
  for (let tries = 1; ; tries++) {
    try {
      await make(born);
      break;
    } catch (error) {
      if (!DcoError.is(error) || error.code !== "exists" || tries === BIRTH_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, BIRTH_WAIT_MS));
    }
  }
  const link = requireLink(context, born, kind);
  try {
    const all = { ...change, alias: ownAlias() };
    context.rtnl.request(RTNL_FORMAT, (to, seq) => setLink(to, seq, link.index, all));
    return findLink(context, { index: link.index }) ?? link;
  } catch (error) {
    await removeLink(context, link.index);
    throw error;
  }
}

/** Deletes a link; one that is gone is no error. Takes as long as its peers take. */
export async function removeLink(context: NetworkContext, index: number): Promise<void> {
  try {
    await context.rtnlLanes.request(RTNL_FORMAT, (to, seq) => deleteLink(to, seq, { index }));
  } catch (error) {
    if (!DcoError.is(error) || error.code !== "not-found") throw error;
  }
}
