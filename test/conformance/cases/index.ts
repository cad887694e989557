/**
 * All cases.
 */
import type { Case } from "../case.ts";
import { adoptCases } from "./adopt.ts";
import { badArgumentCases } from "./bad-arguments.ts";
import { badInterfaceCases } from "./bad-interfaces.ts";
import { badKeyCases } from "./bad-keys.ts";
import { badPeerCases } from "./bad-peers.ts";
import { badTransportCases } from "./bad-transports.ts";
import { burstCases } from "./bursts.ts";
import { clashCases } from "./clashes.ts";
import { configureCases } from "./configure.ts";
import { controlCases } from "./control.ts";
import { descriptorCases } from "./descriptors.ts";
import { driverCases } from "./driver.ts";
import { enduranceCases } from "./endurance.ts";
import { eventCases } from "./events.ts";
import { floatCases } from "./float.ts";
import { freebsdCases } from "./freebsd.ts";
import { freebsdModuleCases, freebsdRightsCases } from "./freebsd-rights.ts";
import { fullTunnelCases } from "./full-tunnel.ts";
import { keyCases } from "./keys.ts";
import { killedCases } from "./killed.ts";
import { lifetimeCases } from "./lifetimes.ts";
import { namespaceCases } from "./namespaces.ts";
import { peerSettingCases } from "./peer-settings.ts";
import { peerCases } from "./peers.ts";
import { protectionCases } from "./protection.ts";
import { raceCases } from "./races.ts";
import { refusalCases } from "./refusals.ts";
import { refusedRightsCases } from "./refused-rights.ts";
import { refusedSocketCases } from "./refused-sockets.ts";
import { rotationCases } from "./rotation.ts";
import { routeCases } from "./routes.ts";
import { secretCases } from "./secrets.ts";
import { socketOptionCases } from "./socket-options.ts";
import { statsCases } from "./stats.ts";
import { takeoverCases } from "./takeover.ts";
import { tcpAdoptionCases } from "./tcp-adoption.ts";
import { tcpConnectionCases } from "./tcp-connections.ts";
import { tcpEndCases } from "./tcp-ends.ts";
import { tcpFrameCases } from "./tcp-frames.ts";
import { transportCases } from "./transports.ts";
import { unsupportedCases } from "./unsupported.ts";

/** In the order in which they are run. */
export const ALL_CASES: readonly Case[] = [
  ...driverCases,
  ...adoptCases,
  ...takeoverCases,
  ...configureCases,
  ...clashCases,
  ...transportCases,
  ...socketOptionCases,
  ...namespaceCases,
  ...controlCases,
  ...tcpConnectionCases,
  ...tcpFrameCases,
  ...tcpEndCases,
  ...tcpAdoptionCases,
  ...peerCases,
  ...peerSettingCases,
  ...keyCases,
  ...routeCases,
  ...fullTunnelCases,
  ...rotationCases,
  ...statsCases,
  ...eventCases,
  ...burstCases,
  ...floatCases,
  ...protectionCases,
  ...raceCases,
  ...lifetimeCases,
  ...badPeerCases,
  ...badKeyCases,
  ...badTransportCases,
  ...badInterfaceCases,
  ...badArgumentCases,
  ...unsupportedCases,
  ...refusalCases,
  ...refusedSocketCases,
  ...refusedRightsCases,
  ...killedCases,
  ...secretCases,
  ...descriptorCases,
  ...freebsdCases,
  ...freebsdRightsCases,
  ...enduranceCases,
  ...freebsdModuleCases,
];

/** Groups that are run once with every way of getting events. */
export const EVENT_GROUPS: readonly string[] = ["events", "float", "races"];
