/**
 * The cases that know no platform: any backend is held to them, within its capabilities.
 */
import type { Case } from "../case.ts";
import { adoptCases } from "./adopt.ts";
import { badArgumentCases } from "./bad-arguments.ts";
import { badInterfaceCases } from "./bad-interfaces.ts";
import { badKeyCases } from "./bad-keys.ts";
import { badPeerCases } from "./bad-peers.ts";
import { badTransportCases } from "./bad-transports.ts";
import { burstCases } from "./bursts.ts";
import { configureCases } from "./configure.ts";
import { controlCases } from "./control.ts";
import { driverCases } from "./driver.ts";
import { enduranceCases } from "./endurance.ts";
import { eventCases } from "./events.ts";
import { floatCases } from "./float.ts";
import { keyCases } from "./keys.ts";
import { lifetimeCases } from "./lifetimes.ts";
import { peerSettingCases } from "./peer-settings.ts";
import { peerCases } from "./peers.ts";
import { protectionCases } from "./protection.ts";
import { raceCases } from "./races.ts";
import { rotationCases } from "./rotation.ts";
import { routeCases } from "./routes.ts";
import { statsCases } from "./stats.ts";
import { tcpAdoptionCases } from "./tcp-adoption.ts";
import { tcpConnectionCases } from "./tcp-connections.ts";
import { tcpEndCases } from "./tcp-ends.ts";
import { tcpFrameCases } from "./tcp-frames.ts";
import { transportCases } from "./transports.ts";
import { unsupportedCases } from "./unsupported.ts";

/** In the order in which they are run. */
export const PORTABLE_CASES: readonly Case[] = [
  ...driverCases,
  ...adoptCases,
  ...configureCases,
  ...transportCases,
  ...controlCases,
  ...tcpConnectionCases,
  ...tcpFrameCases,
  ...tcpEndCases,
  ...tcpAdoptionCases,
  ...peerCases,
  ...peerSettingCases,
  ...keyCases,
  ...routeCases,
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
  ...enduranceCases,
];
