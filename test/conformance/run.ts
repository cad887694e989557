/**
 * The plain runner: `node test/conformance/run.ts --subject linux|freebsd|... [--filter TEXT] [--groups NAME,...]
 * [--json FILE] [--event-transport netlink|ffi|auto]`; with `--child NAME` what a case runs in another process. Prints
 * TAP; exit status 1 if a case failed or none was run.
 */
import { parseArgs } from "node:util";
import type { TransportProtocol } from "../../src/core/model.ts";
import { modelCases } from "../model/case.ts";
import type { Case } from "./case.ts";
import { ALL_CASES, EVENT_GROUPS } from "./cases/index.ts";
import { windowsCases } from "./cases/windows.ts";
import { windowsEndCases } from "./cases/windows-ends.ts";
import { windowsRequestCases } from "./cases/windows-requests.ts";
import { openFreebsdSubject } from "./freebsd/subject.ts";
import { type EventTransport, openLinuxSubject, type Variant } from "./linux/subject.ts";
import { mixedCases } from "./mixed/cases.ts";
import type { Device } from "./mixed/placed.ts";
import { isForBoth, openMixedSubject } from "./mixed/subject.ts";
import { type Round, runConformance } from "./report.ts";
import { tunCases } from "./tun/cases.ts";
import { missingTun, openTunSubject } from "./tun/subject.ts";
import { userspaceCases } from "./userspace/cases.ts";
import { openUserspaceSubject } from "./userspace/subject.ts";
import { userspaceTcpCases } from "./userspace/tcp-cases.ts";
import { runChild } from "./windows/children.ts";
import { openWindowsSubject } from "./windows/subject.ts";

const USAGE =
  "usage: run.ts [--subject linux|freebsd|windows|userspace|node-sockets|tun|mixed, or several with commas] [--filter TEXT] [--groups NAME,...] [--event-transport netlink|ffi|auto] [--json FILE]";

/** What a guard against replays has to do with. */
const GUARDED_GROUPS: readonly string[] = ["protection", "keys", "rotation", "float"];

const EXHAUSTION =
  "key-exhausted takes 2^32 packets of one key; unit tests have it as bytes of the kernel's format";

/** Subjects that reach every packet id: see `firstPacketId`. */
const WITHOUT_KERNEL = ["userspace", "node-sockets", "userspace,node-sockets"];

/** What depends on whose UDP sockets the userspace backend has. */
const SOCKET_GROUPS = ["control packets", "float", "protection", "statistics", "transports", "userspace"];

const ALL_WINDOWS_CASES = [...windowsRequestCases, ...windowsCases, ...windowsEndCases];

const TCP_VARIANT: Variant = { name: "over TCP", protocol: "tcp" };

/** Random sequences against the kernel: about half a minute's worth where the machine is emulated. */
const MODEL_SEQUENCES = 15;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      subject: { type: "string", default: "linux" },
      filter: { type: "string", default: "" },
      groups: { type: "string" },
      "event-transport": { type: "string", default: "auto" },
      json: { type: "string" },
      child: { type: "string" },
      said: { type: "string", default: "" },
      after: { type: "string", default: "0" },
      pause: { type: "string", default: "0" },
    },
  });
  if (values.child !== undefined) {
    return runChild(values.child, values.said, { after: Number(values.after), pause: Number(values.pause) });
  }
  const { subject, filter, json } = values;
  const groups = groupsOf(values.groups);
  const all = subject.split(",").flatMap((each) => rounds(each, values["event-transport"]));
  const wanted = groups
    ? all.map((round) => ({ ...round, cases: round.cases.filter(({ group }) => groups.includes(group)) }))
    : all;
  const notRun = WITHOUT_KERNEL.includes(subject) ? [] : [EXHAUSTION];
  const { passed, failed } = await runConformance(wanted, { filter, json, notRun });
  return failed > 0 || passed === 0 ? 1 : 0;
}

function rounds(subject: string, eventTransport: string): Round[] {
  if (subject === "userspace") return userspaceRounds();
  if (subject === "node-sockets") return nodeSocketRounds();
  if (subject === "mixed") return mixedRounds();
  if (subject === "tun") return tunRounds();
  if (subject === "freebsd") return freebsdRounds();
  if (subject === "windows") {
    return [{ open: openWindowsSubject, cases: [...ALL_CASES, ...ALL_WINDOWS_CASES], variant: undefined }];
  }
  if (subject !== "linux") throw new Error(`there is no subject ${subject}; ${USAGE}`);
  const round = (transport: EventTransport, cases: readonly Case[], variant: Variant = {}): Round => ({
    open: () => openLinuxSubject(transport, variant),
    cases,
    variant: variant.name,
  });
  const overTcp = ALL_CASES.filter((each) => each.overTcp);
  if (eventTransport !== "auto") {
    if (eventTransport !== "netlink" && eventTransport !== "ffi") throw new Error(USAGE);
    return [round(eventTransport, ALL_CASES), round(eventTransport, overTcp, TCP_VARIANT)];
  }
  // What depends on how events are got, or on what carries the packets, is run a second time.
  const events = ALL_CASES.filter((each) => EVENT_GROUPS.includes(each.group));
  return [
    round("netlink", [...ALL_CASES, ...modelCases(true, MODEL_SEQUENCES)]),
    round("ffi", events, { name: "events by ffi" }),
    round("netlink", overTcp, TCP_VARIANT),
    // The kernel's module at the server.
    mixedRound("clients", "udp", "tun", tunCases),
    mixedRound("clients", "tcp", "tun", tunCases),
  ];
}

/** The groups that are asked for; undefined for all. */
function groupsOf(names: string | undefined): readonly string[] | undefined {
  const groups = names?.split(",");
  const unknown = groups?.find((name) => !ALL_CASES.some(({ group }) => group === name));
  if (unknown !== undefined) throw new Error(`there is no group ${unknown}; ${USAGE}`);
  return groups;
}

function freebsdRounds(): Round[] {
  const variant = "replay protection";
  const guarded = ALL_CASES.filter((each) => GUARDED_GROUPS.includes(each.group));
  return [
    { open: () => openFreebsdSubject(), cases: ALL_CASES, variant: undefined },
    { open: () => openFreebsdSubject(variant), cases: guarded, variant },
  ];
}

function userspaceRounds(): Round[] {
  const round = (cases: readonly Case[], protocol: TransportProtocol, variant?: string): Round => ({
    open: () => openUserspaceSubject(protocol, variant),
    cases,
    variant,
  });
  return [
    round([...ALL_CASES, ...userspaceCases, ...userspaceTcpCases, ...modelCases(false, 50)], "udp"),
    round(
      ALL_CASES.filter(({ overTcp }) => overTcp),
      "tcp",
      "over TCP",
    ),
    // What needs a right is told as not run without it.
    { open: () => openTunSubject("udp"), cases: tunCases, variant: undefined, missing: missingTun },
  ];
}

/** Once more what depends on sockets, with Node's own: those of platforms where there are no others. */
function nodeSocketRounds(): Round[] {
  const cases = [...ALL_CASES, ...userspaceCases].filter(({ group }) => SOCKET_GROUPS.includes(group));
  const variant = "Node's sockets";
  return [{ open: () => openUserspaceSubject("udp", variant, "node"), cases, variant }];
}

function tunRounds(): Round[] {
  const round = (cases: readonly Case[], protocol: TransportProtocol, variant?: string): Round => ({
    open: () => openTunSubject(protocol, variant),
    cases,
    variant,
    missing: missingTun,
  });
  return [
    round([...ALL_CASES, ...tunCases], "udp"),
    round(
      [...ALL_CASES, ...tunCases].filter(({ overTcp }) => overTcp),
      "tcp",
      "over TCP",
    ),
  ];
}

function mixedRounds(): Round[] {
  const both = [...mixedCases, ...ALL_CASES.filter(isForBoth)];
  // The kernel there carries no TCP, and the backend has no TUN devices.
  if (process.platform === "freebsd") {
    return [mixedRound("clients", "udp", "stream", both), mixedRound("server", "udp", "stream", both)];
  }
  // What looks at replays and drops asks the system for what it counted, which has another way on each.
  if (process.platform === "win32") {
    const all = ALL_CASES.filter(isForBoth);
    return [mixedRound("clients", "udp", "stream", all), mixedRound("server", "udp", "stream", all)];
  }
  return (["stream", "tun"] as const).flatMap((device) => {
    const cases = device === "tun" ? [...tunCases, ...both] : both;
    return [
      mixedRound("clients", "udp", device, cases),
      mixedRound("server", "udp", device, cases),
      mixedRound("clients", "tcp", device, cases),
      mixedRound("server", "tcp", device, cases),
    ];
  });
}

/** The kernel at one end, the userspace backend at the other. */
function mixedRound(
  where: "clients" | "server",
  protocol: TransportProtocol,
  device: Device,
  all: readonly Case[],
): Round {
  const end = device === "tun" ? "TUN" : "userspace";
  const variant = `${end} ${where}${protocol === "tcp" ? ", over TCP" : ""}`;
  return {
    open: () => openMixedSubject(where, device, protocol, variant),
    cases: protocol === "tcp" ? all.filter(({ overTcp }) => overTcp) : all,
    variant,
    ...(device === "tun" && { missing: missingTun }),
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`Bail out! ${error instanceof Error ? error.message : String(error)}`);
  console.error(error);
  process.exitCode = 1;
}
