/**
 * The doctor where Linux's checks do not fit.
 */
import { release } from "node:os";
import type { DcoDriver } from "../../core/contract.ts";
import { DcoError } from "../../core/errors.ts";
import { type Check, check, koffiCheck, nodeCheck } from "./checks.ts";

/** Checks of FreeBSD. @param open opens the driver */
export async function freebsdChecks(
  open: () => Promise<DcoDriver>,
  koffi: string | undefined,
): Promise<Check[]> {
  const root = process.geteuid?.() === 0;
  const checks = [
    nodeCheck(process.versions.node),
    koffiCheck(koffi),
    check("kernel", "ok", `FreeBSD ${release()}`),
    root
      ? check("privilege", "ok", "this process is that of root")
      : check(
          "privilege",
          "failed",
          "this process is not that of root",
          "Run it as root, outside of jails or in a VNET jail.",
        ),
  ];
  try {
    const driver = await open();
    checks.push(check("module", "ok", `${driver.info.module}: ${driver.info.reason}`));
    checks.push(
      driver.capabilities.replayProtection === "disabled"
        ? check(
            "replay",
            "warning",
            "replayed packets are not dropped",
            "sysctl net.link.openvpn.replay_protection=1",
          )
        : check("replay", "ok", "replayed packets are dropped"),
    );
  } catch (error) {
    const remedy =
      DcoError.is(error) && error.code === "unavailable"
        ? "FreeBSD 14 and later have it: kldload if_ovpn"
        : undefined;
    checks.push(check("module", "failed", (error as Error).message, remedy));
  }
  return checks;
}

/** Where there is no kernel's DCO to be had in this release. */
export function otherChecks(koffi: string | undefined): Check[] {
  return [
    nodeCheck(process.versions.node),
    koffiCheck(koffi),
    check(
      "platform",
      "failed",
      `this release of dcokit drives no kernel's DCO on ${process.platform}`,
      "openDriver({ allowUserspace: true }) works without a kernel's.",
    ),
  ];
}
