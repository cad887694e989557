/**
 * All cases.
 */
import type { Case } from "../case.ts";
import { driverCases } from "./driver.ts";
import { keyCases } from "./keys.ts";

/** In the order in which they are run. */
export const ALL_CASES: readonly Case[] = [...driverCases, ...keyCases];

/** Groups that are run once with every way of getting events. */
export const EVENT_GROUPS: readonly string[] = ["events"];
