/**
 * All cases.
 */
import type { Case } from "../case.ts";
import { clashCases } from "./clashes.ts";
import { descriptorCases } from "./descriptors.ts";
import { freebsdCases } from "./freebsd.ts";
import { freebsdModuleCases, freebsdRightsCases } from "./freebsd-rights.ts";
import { fullTunnelCases } from "./full-tunnel.ts";
import { killedCases } from "./killed.ts";
import { namespaceCases } from "./namespaces.ts";
import { PORTABLE_CASES } from "./portable.ts";
import { refusalCases } from "./refusals.ts";
import { refusedRightsCases } from "./refused-rights.ts";
import { refusedSocketCases } from "./refused-sockets.ts";
import { secretCases } from "./secrets.ts";
import { socketOptionCases } from "./socket-options.ts";
import { takeoverCases } from "./takeover.ts";

/** In the order in which they are run: first those that any backend is held to, then those of a system. */
export const ALL_CASES: readonly Case[] = [
  ...PORTABLE_CASES,
  ...takeoverCases,
  ...clashCases,
  ...socketOptionCases,
  ...namespaceCases,
  ...fullTunnelCases,
  ...refusalCases,
  ...refusedSocketCases,
  ...refusedRightsCases,
  ...killedCases,
  ...secretCases,
  ...descriptorCases,
  ...freebsdCases,
  ...freebsdRightsCases,
  // It unloads the module: the last of all.
  ...freebsdModuleCases,
];

/** Groups that are run once with every way of getting events. */
export const EVENT_GROUPS: readonly string[] = ["events", "float", "races"];
