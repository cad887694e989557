/**
 * All commands, in the order of the help.
 */
import type { Command } from "../command.ts";
import { CAPABILITY_COMMANDS } from "./capabilities.ts";
import { CHECK_COMMANDS } from "./check.ts";
import { COMPLETION_COMMANDS } from "./completion.ts";
import { CONFORMANCE_COMMANDS } from "./conformance.ts";
import { DOCTOR_COMMANDS } from "./doctor.ts";
import { EVENT_COMMANDS } from "./events.ts";
import { INTERFACE_COMMANDS } from "./interfaces.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { PEER_COMMANDS } from "./peers.ts";
import { TOP_COMMANDS } from "./top.ts";
import { TRACE_COMMANDS } from "./trace.ts";
import { TRANSPORT_COMMANDS } from "./transport.ts";

export const COMMANDS: readonly Command[] = [
  ...DOCTOR_COMMANDS,
  ...CHECK_COMMANDS,
  ...CAPABILITY_COMMANDS,
  ...INTERFACE_COMMANDS,
  ...TRANSPORT_COMMANDS,
  ...PEER_COMMANDS,
  ...KEY_COMMANDS,
  ...EVENT_COMMANDS,
  ...TOP_COMMANDS,
  ...TRACE_COMMANDS,
  ...CONFORMANCE_COMMANDS,
  ...COMPLETION_COMMANDS,
];
