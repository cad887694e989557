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
  const { driver, found } = await moduleCheck(open, "FreeBSD 14 and later have it: kldload if_ovpn");
  checks.push(found);
  if (driver?.capabilities.replayProtection === "disabled") {
    const remedy = "sysctl net.link.openvpn.replay_protection=1";
    checks.push(check("replay", "warning", "replayed packets are not dropped", remedy));
  } else if (driver !== undefined) {
    checks.push(check("replay", "ok", "replayed packets are dropped"));
  }
  return checks;
}

/** Checks of Windows. @param open opens the driver */
export async function windowsChecks(
  open: () => Promise<DcoDriver>,
  koffi: string | undefined,
): Promise<Check[]> {
  const { found } = await moduleCheck(
    open,
    "Install OpenVPN 2.7 for Windows: it brings the driver ovpn-dco and makes an adapter.",
  );
  return [
    nodeCheck(process.versions.node),
    koffiCheck(koffi),
    check("kernel", "ok", `Windows ${release()}`),
    found,
  ];
}

/** Whether the driver opens. @param remedy what to do where it is not there */
async function moduleCheck(
  open: () => Promise<DcoDriver>,
  remedy: string,
): Promise<{ driver?: DcoDriver; found: Check }> {
  try {
    const driver = await open();
    return { driver, found: check("module", "ok", `${driver.info.module}: ${driver.info.reason}`) };
  } catch (error) {
    const missing = DcoError.is(error) && error.code === "unavailable";
    return {
      found: check("module", "failed", (error as Error).message, missing ? remedy : "See the message."),
    };
  }
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
