/**
 * Routes of an interface, through the routing socket.
 */
import { DcoError } from "../core/errors.ts";
import { isErrno } from "./exchange.ts";
import { addressText } from "./ioctl.ts";
import {
  type FoundRoute,
  isAnswer,
  type Route,
  RTM_ADD,
  RTM_DELETE,
  readRoute,
  routeMessage,
  routeQuestion,
} from "./route-message.ts";
import type { Stack } from "./stack.ts";

let questions = 0;

/** How an address is reached now; undefined if nothing leads there. */
export function findRoute(stack: Stack, address: Uint8Array): FoundRoute | undefined {
  const seq = ++questions;
  const target = addressText(address);
  try {
    return readRoute(stack.askRoute(routeQuestion(address, seq), target, (answer) => isAnswer(answer, seq)));
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** Adds a route. Errors: `exists`, `socket` (its next hop cannot be reached). */
export function addRoute(stack: Stack, route: Route): void {
  stack.writeRoute(routeMessage(RTM_ADD, route), routeText(route));
}

/** Deletes a route; one that is gone is no error. */
export function deleteRoute(stack: Stack, route: Route): void {
  try {
    stack.writeRoute(routeMessage(RTM_DELETE, route), routeText(route));
  } catch (error) {
    if (!DcoError.is(error) || !isErrno(error, "ESRCH", "ENXIO", "ENETUNREACH", "EADDRNOTAVAIL")) throw error;
  }
}

/** As a person would write it; the same for the same route. */
export function routeText({ destination, prefixLength, gateway }: Route): string {
  const via = gateway ? ` via ${addressText(gateway)}` : "";
  return `${addressText(destination)}/${prefixLength}${via}`;
}
