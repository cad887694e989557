/**
 * What cases need that not every subject has.
 */
import type { Capabilities } from "../../src/core/capabilities.ts";
import type { Sites } from "./world.ts";

/** Interfaces that the operating system has as well: addresses, routes, and others who make and change them. */
export const SYSTEM = {
  needs: ({ systemInterface }: Capabilities, _: Sites) =>
    systemInterface ? undefined : "the interface is none of the system's",
};

/** Those, and the driver knows interfaces of its kind whoever made them. */
export const FOREIGN = {
  needs: ({ systemInterface, tunDevice }: Capabilities, _: Sites) =>
    systemInterface && !tunDevice ? undefined : "the driver knows the interfaces of its process only",
};

/** Sites that are hosts, with network interfaces. */
export const HOSTS = {
  needs: (_: Capabilities, { system }: Sites) => (system ? undefined : "the sites are no hosts"),
};

/** Sites whose addresses outside the tunnel can change. */
export const MOVES = {
  needs: ({ floatEvent }: Capabilities, { movable }: Sites) => {
    if (floatEvent === "none") return "the driver does not tell of floats";
    return movable ? undefined : "the sites' addresses cannot change";
  },
};
